#ifndef DNS_H
#define DNS_H

#include "exchangers.h"

/* How a question ended. */
enum dns_status {
	DNS_FOUND,
	DNS_NO_DATA,   /* the name exists, but has no such record */
	DNS_NO_NAME,   /* NXDOMAIN */
	DNS_TEMPORARY, /* no answer, or none that can be relied on */
	DNS_NO_MEMORY
};

struct dns;

/*
 * Makes ready to ask `servers` ("address:port", commas between), or those of resolv.conf where it is NULL.  Returns
 * NULL, with a constant string in `why`, if that fails.
 */
struct dns *dns_open(const char *servers, const char **why);

/*
 * Asks for the MX records of a name.  `exchangers` must be empty; with DNS_FOUND it has one member for each record,
 * also for those whose name is no host name: that has an empty one.  An exchanger named `.` (RFC 7505) sets `null_mx`
 * where it is alone, and is left out of the list in any case.
 */
enum dns_status dns_exchangers(struct dns *dns, const char *name, struct exchangers *exchangers, bool *null_mx);

/*
 * Asks for the A and AAAA records of all exchangers that have a name, all at once, and adds them.  Where a question had
 * no answer, the exchanger becomes `unknown`.
 */
void dns_addresses(struct dns *dns, struct exchangers *exchangers);

void dns_close(struct dns *dns);

#endif
