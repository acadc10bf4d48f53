package plan

import (
	"strings"
	"testing"
)

func TestBaseURL(t *testing.T) {
	for text, want := range map[string]string{
		"http://h:8000/api/": "",
		"https://[::1]:8443": "",
		"http://h:":          "has no port after the colon",
		"http://h:/api":      "has no port after the colon",
		"http://:80":         "names no host",
		"h:8000":             "does not begin with http",
		"http://u:p@h":       "that is target.auth",
		"http://h/?a=b":      "has a query",
	} {
		_, err := parseBaseURL(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
