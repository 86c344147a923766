/* SPDX-License-Identifier: ISC */
/*
 * routes - the way to a host: smtproutes.d, else smtproutes
 *
 * resolve.c asks for it.  For mail.example.org the files are mail.example.org, .example.org, .org and default: the
 * first that exists counts alone.
 */
#include "qmail/routes.h"

#include "qmail/routefile.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The longest suffix that begins with a dot, but is not all of the name; NULL if there is none. */
static const char *suffix_of(const char *name)
{
	return *name && *name != '[' ? strchr(name + 1, '.') : NULL;
}

/* Reads the file for the host; there is no data if there is none. */
static bool read_file(struct way *way, const char *name, const struct config *config, mode_t *mode,
		      struct report *failure)
{
	if (!config_may_have(config, "smtproutes.d"))
		return true;
	do {
		snprintf(way->file, sizeof way->file, "smtproutes.d/%s", name ? name : "default");
		for (char *at = way->file; *at; at++)
			*at = (char)(*at >= 'A' && *at <= 'Z' ? *at + ('a' - 'A') : *at); /* a literal */
		if (!config_read(config, way->file, &way->contents, mode, failure))
			return false;
		if (way->contents.data || !name)
			return true;
		name = suffix_of(name);
	} while (true);
}

bool routes_find(struct way *way, const char *host, const struct config *config, struct report *failure)
{
	struct route *route = &way->route;
	mode_t mode = 0;
	*way = (struct way){0};
	if (!read_file(way, host, config, &mode, failure))
		return false;
	if (way->contents.data) {
		const char *wrong = routefile_read((struct span){way->contents.data, way->contents.length}, route);
		if (wrong)
			return config_refuse(failure, way->file, route->line, wrong);
		if (route->password.length > 0 && (mode & S_IRWXO))
			return config_refuse(failure, way->file, 0,
					     "holds a password, but its mode does not keep others out.");
	} else {
		/* Every line was checked when the file was read. */
		route_find((struct span){config->smtproutes.data, config->smtproutes.length}, span_of(host), route);
		strcpy(way->file, route->line > 0 ? "smtproutes" : "");
	}
	way->families_file = route->families.order[0] ? way->file : "families";
	if (!route->families.order[0])
		route->families = config->families;
	if (!route->sources.ipv4.family)
		route->sources.ipv4 = config->sources.ipv4;
	if (!route->sources.ipv6.family)
		route->sources.ipv6 = config->sources.ipv6;
	return true;
}
