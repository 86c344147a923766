// SPDX-License-Identifier: ISC

// Go's net/smtp for `mocksrv test smtp:COMMAND`: mocksrv(1) says what it is given, and what it tells.
package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
)

func deliver() error {
	client, err := smtp.Dial(net.JoinHostPort(os.Getenv("MOCKSRV_HOST"), os.Getenv("MOCKSRV_PORT")))
	if err != nil {
		return err
	}
	defer client.Quit()
	if err := client.Hello(os.Getenv("MOCKSRV_HELO")); err != nil {
		return err
	}
	if offered, _ := client.Extension("STARTTLS"); offered {
		if err := client.StartTLS(&tls.Config{ServerName: os.Getenv("MOCKSRV_HOST"), InsecureSkipVerify: true}); err != nil {
			return err
		}
	}
	if err := client.Mail(os.Getenv("MOCKSRV_SENDER")); err != nil {
		return err
	}
	accepted := 0
	for _, recipient := range strings.Split(os.Getenv("MOCKSRV_RECIPIENTS"), "\n") {
		var refusal *textproto.Error
		if err := client.Rcpt(recipient); errors.As(err, &refusal) {
			fmt.Println(recipient, refusal.Code)
		} else if err != nil {
			return err
		} else {
			accepted++
		}
	}
	if accepted > 0 {
		message, err := os.ReadFile(os.Getenv("MOCKSRV_MESSAGE"))
		if err != nil {
			return err
		}
		content, err := client.Data()
		if err != nil {
			return err
		}
		if _, err := content.Write(message); err != nil {
			return err
		}
		if err := content.Close(); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := deliver(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		var refusal *textproto.Error
		if errors.As(err, &refusal) {
			os.Exit(refusal.Code / 100)
		}
		os.Exit(1)
	}
}
