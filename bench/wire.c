/* SPDX-License-Identifier: ISC */
/*
 * wire - TLS as GnuTLS's manual shows it, and the clear
 *
 * For the sink, and for the loop that a delivery within TLS is compared with.  It blocks, and has no buffer of its own:
 * no user of GnuTLS can do less.
 */
#include "wire.h"

#include <gnutls/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Qremote's offer without a control file. */
static const char priority[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

/* Most servers have P-256.  The certificate is self-signed; it is not verified. */
static bool fill_certificate(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key)
{
	time_t now = time(NULL);
	return gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
					    0) == 0 &&
	       gnutls_x509_crt_set_version(certificate, 3) == 0 &&
	       gnutls_x509_crt_set_serial(certificate, "\1", 1) == 0 &&
	       gnutls_x509_crt_set_activation_time(certificate, now - 3600) == 0 &&
	       gnutls_x509_crt_set_expiration_time(certificate, now + 86400) == 0 &&
	       gnutls_x509_crt_set_dn(certificate, "CN=sink", NULL) == 0 &&
	       gnutls_x509_crt_set_key(certificate, key) == 0 &&
	       gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0) == 0;
}

bool wire_mint(gnutls_certificate_credentials_t *credentials)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t certificate = NULL;
	*credentials = NULL;
	bool well = gnutls_x509_privkey_init(&key) == 0 && gnutls_x509_crt_init(&certificate) == 0 &&
		    fill_certificate(certificate, key) && gnutls_certificate_allocate_credentials(credentials) == 0 &&
		    gnutls_certificate_set_x509_key(*credentials, &certificate, 1, key) == 0;
	gnutls_x509_crt_deinit(certificate);
	gnutls_x509_privkey_deinit(key);
	return well;
}

bool wire_secure(struct wire *wire, unsigned side, gnutls_certificate_credentials_t credentials)
{
	int result;
	if (gnutls_init(&wire->session, side | GNUTLS_NO_SIGNAL) != 0)
		return false;
	if (gnutls_priority_set_direct(wire->session, priority, NULL) != 0 ||
	    gnutls_credentials_set(wire->session, GNUTLS_CRD_CERTIFICATE, credentials) != 0)
		return false;
	gnutls_transport_set_int(wire->session, wire->connection);
	do
		result = gnutls_handshake(wire->session);
	while (result < 0 && !gnutls_error_is_fatal(result));
	return result == 0;
}

ssize_t wire_read(struct wire *wire, char *data, size_t room)
{
	ssize_t length;
	if (!wire->session)
		return read(wire->connection, data, room);
	do
		length = gnutls_record_recv(wire->session, data, room);
	while (length < 0 && !gnutls_error_is_fatal((int)length));
	return length;
}

bool wire_write(struct wire *wire, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = wire->session ? gnutls_record_send(wire->session, data, length)
						: send(wire->connection, data, length, MSG_NOSIGNAL);
		if (written <= 0)
			return false;
		data += written;
		length -= (size_t)written;
	}
	return true;
}

void wire_close(struct wire *wire)
{
	if (wire->session) {
		gnutls_bye(wire->session, GNUTLS_SHUT_WR);
		gnutls_deinit(wire->session);
	}
	close(wire->connection);
	wire->session = NULL;
}
