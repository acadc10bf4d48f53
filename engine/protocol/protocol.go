// Package protocol is the one interface behind which every protocol stands.
package protocol

import (
	"context"
	"time"
)

// Outcome is how a request ended: OK, or one of a small closed set of failures. It is what labels carry; the words
// that go with a failure travel in Response.Detail and never become a label.
type Outcome uint8

// The outcomes. Their order is part of the stored format of a run: append, never insert.
const (
	OK      Outcome = iota // an answer that met every check
	Check                  // an answer that failed a check of the plan
	Status                 // an answer with status 400 or more where no check speaks of the status
	Timeout                // no complete answer within the request's time limit
	Refused                // no connection could be made
	Reset                  // the connection was closed or reset before the answer was complete
	TLS                    // the TLS handshake failed
	DNS                    // the host name could not be resolved
	Body                   // what came back is not valid HTTP, or is longer than the limit
	Cut                    // tidegauge itself ended the request, since the run was over

	Outcomes = int(Cut) + 1 // how many outcomes there are
)

var outcomeNames = [Outcomes]string{"ok", "check", "status", "timeout", "refused", "reset", "tls", "dns", "body", "cut"}

// String returns the outcome's name as labels carry it.
func (o Outcome) String() string {
	if int(o) >= Outcomes {
		return "invalid"
	}
	return outcomeNames[o]
}

// Failed reports whether the outcome counts as a failure of the target: everything but OK and Cut.
func (o Outcome) Failed() bool { return o != OK && o != Cut }

// Resource is something that tidegauge's own machine can run out of. A request that fails for want of one fails like any
// other, but says nothing of the target.
type Resource uint8

// The resources. Their order is part of the stored format of a run: append, never insert.
const (
	NoResource Resource = iota // the failure has another reason
	Files                      // file descriptors, of the process or the system
	Ports                      // local ports
	Memory                     // memory or buffers for sockets

	Resources = int(Memory) + 1 // how many resources there are, NoResource included
)

// String returns the resource in words.
func (r Resource) String() string {
	if int(r) >= Resources {
		return "invalid"
	}
	return [Resources]string{"nothing", "open files", "local ports", "memory for connections"}[r]
}

// Label returns the resource's name as labels carry it.
func (r Resource) Label() string {
	if int(r) >= Resources {
		return "invalid"
	}
	return [Resources]string{"none", "files", "ports", "memory"}[r]
}

// Remedy returns what to do where the resource has run out, in words that can follow a semicolon.
func (r Resource) Remedy() string {
	if int(r) >= Resources {
		return ""
	}
	return [Resources]string{
		"", "raise the limit (ulimit -n)", "widen net.ipv4.ip_local_port_range, or ask for fewer new connections",
		"give it more memory, or ask for fewer users",
	}[r]
}

// Field is one header field.
type Field struct{ Name, Value string }

// Request is one request to send. The caller owns it and everything in it; a Client does not keep it after Do.
type Request struct {
	Method     string
	URL        string // absolute
	Header     []Field
	Body       []byte
	Timeout    time.Duration // from the send to the last byte of the answer; 0 is no limit
	IgnoreBody bool          // the caller will not look at Response.Body: it is read and counted, and need not be decoded
}

// Timings are the phases of one request. A phase that did not take place (a connection that was there already) is 0.
type Timings struct {
	DNS, Connect, TLS time.Duration
	Wait              time.Duration // from the last byte sent to the first byte of the answer
	Receive           time.Duration // from the first byte of the answer to the last
}

// Response is one answer. A Client fills it; all of it is valid until the next Do with the same Response, except for
// strings, which stay. A Client may reuse the memory of the slices it finds there.
type Response struct {
	Status int
	// Header and RawHeader together are the header: a Client fills one of them. RawHeader is lines of "Name: value", each with its
	// line end, which nobody has looked at yet. Lookup, Get and Fields know both.
	Header                   []Field
	RawHeader                []byte
	Body                     []byte    // decoded, where it had a Content-Encoding that the client knows
	Sent                     time.Time // just before the first thing done on the network for this request
	Finished                 time.Time // after the last byte of the answer, or when the failure was known
	BytesSent, BytesReceived int64     // on the wire, headers included, TLS framing not
	BodyBytes                int64     // of the body as received, before any Content-Encoding is undone; 0 where it did not arrive whole
	Timings                  Timings
	Detail                   string   // what went wrong, in words for a person; empty for OK
	Exhausted                Resource // what of our own the request failed for want of, if it did
}

// Client sends the requests of one virtual user, over connections and with cookies of its own.
type Client interface {
	// Do sends the request, reads the whole answer into resp and returns OK or what kept it from arriving; whether the
	// answer itself is good (Status, Check) is for the caller to say. It sets Sent, Finished and Detail in every case.
	// When ctx ends, Do returns Cut soon. It does not retry, except once on a new connection when a kept-alive one turns
	// out to have been closed by the server before anything of the answer arrived and the method is idempotent.
	// Not for concurrent use.
	Do(ctx context.Context, req *Request, resp *Response) Outcome
	// Close gives up the connections. Do after Close is an error of the caller.
	Close() error
}
