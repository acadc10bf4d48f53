package client

import (
	"strings"
	"testing"
	"time"

	"tidegauge/engine/outlet"
)

func TestAnswer(t *testing.T) {
	page := "<html>\n<head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"
	for _, tt := range []struct {
		status     int
		after      string
		text, want string
		reaction   outlet.Reaction
		pause      time.Duration
	}{
		{status: 429, after: "7", text: "slow\n down", want: "the server answers 429 Too Many Requests: slow down", reaction: outlet.Retry, pause: 7 * time.Second},
		{status: 500, text: "no\x1b[31m red\xff\x07\r\n", want: "the server answers 500 Internal Server Error: no [31m red", reaction: outlet.Retry},
		{status: 429, after: "a while", want: "the server answers 429 Too Many Requests", reaction: outlet.Retry},
		{status: 503, after: "99999999", want: "the server answers 503 Service Unavailable", reaction: outlet.Retry, pause: 10 * time.Minute},
		{status: 502, text: page, want: "the server answers 502 Bad Gateway", reaction: outlet.Retry},
		{status: 403, text: "<!DOCTYPE html><html><title>\n Log in &amp; out </title>", want: "the server answers 403 Forbidden: Log in & out (check the token or password)", reaction: outlet.Refused},
		{status: 400, text: "no <title>page</title>", want: "the server answers 400 Bad Request: no <title>page</title>", reaction: outlet.Rejected},
		{
			status: 400, text: `remoteAddr: "127.0.0.1:1"; requestURI: /x; unsupported path requested: "/x"`, reaction: outlet.Refused,
			want: `the server answers 400 Bad Request: remoteAddr: "127.0.0.1:1"; requestURI: /x; unsupported path requested: "/x" (check the address and its options)`,
		},
		{status: 302, want: "the server answers 302 Found (check the address and its options)", reaction: outlet.Refused},
		{status: 400, text: strings.Repeat("é", 400), want: "the server answers 400 Bad Request: " + strings.Repeat("é", 300) + "…", reaction: outlet.Rejected},
	} {
		e := Answer(tt.status, tt.after, tt.text)
		if e.Error() != tt.want || e.Reaction != tt.reaction || e.After != tt.pause {
			t.Errorf("%d %q: %q, reaction %d, after %v; want %q, %d, %v", tt.status, tt.text, e, e.Reaction, e.After, tt.want, tt.reaction, tt.pause)
		}
	}
}
