package web

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"tidegauge/engine/protocol"
)

const (
	detailCut = "the run was over before the answer was complete"
	shortText = 80 // bytes of a text from outside that a detail may carry
)

// stage is how far a request had come.
type stage int

const (
	resolving stage = iota
	connecting
	handshaking
	sending
	waiting
	receiving
)

// late says what was missing when the time limit was reached. Without a limit of ours it was the system's.
func (s stage) late(limit time.Duration) string {
	missing := [...]string{
		"host name not resolved", "no connection", "no TLS handshake", "request not sent", "no answer", "answer not complete",
	}[s]
	if limit <= 0 {
		return missing + " in time"
	}
	return missing + " within " + limit.String()
}

// fail says what kept an answer from arriving over k. err is what the parser made of it; what the network said is in k.
func (c *Client) fail(k *conn, resp *protocol.Response, at stage, err error) protocol.Outcome {
	var wrong invalid
	var remote *net.OpError
	switch {
	case c.isCut():
		resp.Detail = detailCut
		return protocol.Cut
	case exhausted(k.err) != protocol.NoResource:
		c.own(resp, k.err)
		return protocol.Reset
	case isTimeout(k.err):
		resp.Detail = at.late(c.hop.timeout)
		return protocol.Timeout
	case errors.Is(k.err, errTooLong):
		resp.Detail = "answer longer than " + size(c.options.MaxResponseBytes)
		return protocol.Body
	case k.err == nil && errors.As(err, &wrong):
		resp.Detail = string(wrong)
		return protocol.Body
	case k.err == nil && err != nil:
		resp.Detail = "answer is not valid HTTP"
		return protocol.Body
	case errors.As(k.err, &remote) && (remote.Op == "remote error" || remote.Op == "local error"):
		resp.Detail = handshakeDetail(k.err) // TLS 1.3 servers judge our certificate after the handshake
		return protocol.TLS
	}
	how := "closed"
	if errors.Is(k.err, syscall.ECONNRESET) || errors.Is(k.err, syscall.EPIPE) {
		how = "reset"
	}
	resp.Detail = "connection " + how + [...]string{
		sending:   " before the request was sent",
		waiting:   " before the answer",
		receiving: " before the answer was complete",
	}[at]
	return protocol.Reset
}

// exhausted returns what our own machine has run out of, if err says that it has.
func exhausted(err error) protocol.Resource {
	switch {
	case err == nil:
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return protocol.Files
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return protocol.Ports
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		return protocol.Memory
	}
	return protocol.NoResource
}

// own says that we ran out of something.
func (*Client) own(resp *protocol.Response, err error) {
	resp.Exhausted = exhausted(err)
	resp.Detail = "tidegauge ran out of " + resp.Exhausted.String() + ": " + resp.Exhausted.Remedy()
}

// connectDetail says why a connection could not be opened, without the address, which varies.
func connectDetail(err error) string {
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return short(err.Error())
}

// handshakeDetail says why TLS failed, without the names and times that vary.
func handshakeDetail(err error) string {
	var (
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		header    tls.RecordHeaderError
		verify    *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &authority):
		return "certificate is signed by an unknown authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "certificate has expired or is not yet valid"
	case errors.As(err, &header):
		return "server does not speak TLS"
	case errors.As(err, &verify):
		return short(verify.Err.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed during the TLS handshake"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset during the TLS handshake"
	}
	return short(strings.TrimPrefix(err.Error(), "remote error: "))
}

// notHTTP says what is wrong with a header: its first line, if that is what is wrong.
func notHTTP(block []byte, err error) error {
	line, _, _ := bytes.Cut(block, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if !bytes.HasPrefix(line, []byte("HTTP/")) {
		return invalid(fmt.Sprintf("status line is not HTTP: %q", short(string(line))))
	}
	if version, rest, ok := bytes.Cut(line, []byte(" ")); !ok || len(version) != len("HTTP/1.1") || len(rest) < 3 || (len(rest) > 3 && rest[3] != ' ') {
		return invalid(fmt.Sprintf("status line is not valid: %q", short(string(line))))
	}
	if err == nil {
		return invalid("header of the answer is not valid")
	}
	return fmt.Errorf("%w: %w", invalid("header of the answer is not valid"), err)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &t) && t.Timeout())
}

// short cuts a text from outside to a length that fits in a table.
func short(s string) string {
	if len(s) <= shortText {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:shortText], "") + "…"
}

// size returns a number of bytes as people write it.
func size(n int64) string {
	for _, unit := range []struct {
		name string
		of   int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.of && n%unit.of == 0 {
			return fmt.Sprintf("%d %s", n/unit.of, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
