#!/usr/bin/env perl
# SPDX-License-Identifier: ISC
# Net::SMTP for `mocksrv test smtp:COMMAND`: mocksrv(1) says what it is given, and what it tells.
use strict;
use warnings;
use Net::SMTP;

my $smtp = Net::SMTP->new($ENV{MOCKSRV_HOST}, Port => $ENV{MOCKSRV_PORT}, Hello => $ENV{MOCKSRV_HELO}) or die $@;

sub failed {
    my $code = $smtp->code;
    print STDERR "$code ", $smtp->message;
    exit 1 if $code < 400 or $code == 599;    # no reply, or one that makes no sense
    $smtp->quit;
    exit int($code / 100);
}

$smtp->starttls(SSL_verify_mode => 0) or failed if defined $smtp->supports('STARTTLS');
$smtp->mail($ENV{MOCKSRV_SENDER}, defined $smtp->supports('8BITMIME') ? (Bits => 8) : ()) or failed;
my $accepted = 0;
for (split /\n/, $ENV{MOCKSRV_RECIPIENTS}) {
    $smtp->recipient($_) ? $accepted++ : print "$_ ", $smtp->code, "\n";
}
$smtp->data(<STDIN>) or failed if $accepted;
$smtp->quit;
