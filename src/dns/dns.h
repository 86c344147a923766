#ifndef DNS_H
#define DNS_H

#include "dns/answer.h"
#include "dns/exchangers.h"

struct dns;

/*
 * Makes ready to ask `servers` ("address:port", commas between), or those of resolv.conf where it is NULL.  Returns
 * NULL, with a constant string in `why`, if that fails.
 */
struct dns *dns_open(const char *servers, const char **why);

/*
 * Asks for the MX records of a name, or of the one that it is an alias for.  `exchangers` must be empty; with DNS_FOUND
 * it has a member for each record whose name is that of a host, which may be none at all.
 */
enum dns_status dns_exchangers(struct dns *dns, const char *name, struct exchangers *exchangers);

/*
 * Asks for the A and AAAA records of all exchangers that have a name and are not `unknown`, all at once, and adds them.
 * Where a question had no answer, or none within three seconds from that about the other family on, the exchanger
 * becomes `unknown`.
 */
void dns_addresses(struct dns *dns, struct exchangers *exchangers);

void dns_close(struct dns *dns);

#endif
