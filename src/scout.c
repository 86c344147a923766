/*
 * scout - whether something illegal is in a body that has entities in it
 *
 * entity.c must know it before the header leaves.  Each of many entities within one another may ask, and what ends the
 * body of one is text in that of another; so it would not do to look through each body anew, since all of them together
 * may be a hundred times the message.  The scout reads every line once, with the same eyes as the walk, remembers where
 * the bodies begin that it is in, and goes no further than to the next illegal line.
 */
#include "scout.h"

#include "heading.h"

void scout_open(struct scout *scout, struct lines lines, bool eightbitmime)
{
	scout->lines = lines;
	scout->eightbitmime = eightbitmime;
	scout->illegal = false;
	nest_open(&scout->nest);
	scout->entity = lines.at;
	scout->inside = 0;
}

/* The lines of its header are still to be taken, and are not in the body of this one. */
static void enter(struct scout *scout)
{
	struct heading heading;
	heading_read(&heading, &scout->nest, scout->lines);
	scout->bodies[scout->nest.depth] = heading.body.at;
	scout->inside = scout->nest.depth + 1;
	scout->entity = heading.has_message ? heading.body.at : NULL;
	if (heading.has_parts || heading.has_message)
		nest_push(&scout->nest, &heading.type);
}

/* A delimiter is in the body of the entity whose parts it delimits, and in those around that. */
static void pass(struct scout *scout, struct span line)
{
	size_t level;
	bool closing;
	if (!nest_is_delimiter(&scout->nest, line, &level, &closing))
		return;
	nest_pass(&scout->nest, level, closing);
	scout->inside = level + 1;
	scout->entity = closing ? NULL : scout->lines.at;
}

static void take_line(struct scout *scout)
{
	struct lines *lines = &scout->lines;
	while (scout->entity == lines->at)
		enter(scout);
	bool in_header = lines->at < scout->bodies[scout->inside - 1];
	struct span line = lines_take(lines);
	if (!in_header) /* in which are no delimiters, or it would end there */
		pass(scout, line);
	struct line_facts facts = lines_examine(line);
	scout->illegal = !lines_are_legal(&facts, scout->eightbitmime);
}

bool scout_is_legal(struct scout *scout, size_t depth, const char *body)
{
	struct lines *lines = &scout->lines;
	while (lines->at < lines->end && (lines->at <= body || !scout->illegal))
		take_line(scout);
	bool is_behind = scout->illegal && lines->at > body;
	return !is_behind || depth >= scout->inside || scout->bodies[depth] != body;
}
