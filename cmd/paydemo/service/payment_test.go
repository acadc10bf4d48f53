package service

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestValidCard(t *testing.T) {
	for number, want := range map[string]bool{
		"4242424242424242":     true,
		"378282246310005":      true, // 15 digits
		"6304000000000000":     true, // a check digit of 0
		"424242424242":         true,
		"4242424242424243":     false,
		"4242 4242 4242 4242":  false,
		"42424242424":          false,
		"":                     false,
		"00000000000000000000": false, // 20 digits
		"424242424242424x":     false,
	} {
		if got := validCard(number); got != want {
			t.Errorf("validCard(%q) = %v, want %v", number, got, want)
		}
	}
}

func FuzzReadPayment(f *testing.F) {
	for _, seed := range []string{goodPayment, "", "{", "null", `{"amount":1e400,"card":""}`, `{"amount":5,"card":"` + strings.Repeat("0", 12) + `"}x`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/payments", strings.NewReader(body))
		amount, card, err := readPayment(httptest.NewRecorder(), r)
		if err != nil {
			var p *problem
			if !errors.As(err, &p) || p.Status < 400 || p.Status > 499 || p.Detail == "" {
				t.Errorf("%q gives %v, want a problem that blames the client", body, err)
			}
			return
		}
		if amount < 1 || amount > maxAmount || !validCard(card) {
			t.Errorf("%q was taken: amount %d, card %q", body, amount, card)
		}
		if masked := maskCard(card); len(masked) != len(card) || strings.Trim(masked[:len(masked)-4], "*") != "" {
			t.Errorf("card %q is shown as %q", card, masked)
		}
	})
}
