package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tidegauge/engine/endpoint"
)

// Role is what somebody may do. Each includes those before it.
type Role int

// The roles.
const (
	Nobody Role = iota
	Read        // look at everything
	Run         // start, change and end runs
	Admin       // and what concerns the daemon itself
)

// ParseRole reads the name of a role.
func ParseRole(name string) (Role, error) {
	for role, n := range []string{Read: "read", Run: "run", Admin: "admin"} {
		if n == name && n != "" {
			return Role(role), nil
		}
	}
	return Nobody, fmt.Errorf("role %q, expected read, run or admin", name)
}

// Token lets somebody in. Only its hash is kept.
type Token struct {
	Name string // who it is, in the audit log
	Role Role
	Hash [sha256.Size]byte // of the token: it is random and long, so that a plain hash cannot be turned back
}

// HashOf reads a hash in hexadecimal.
func HashOf(text string) (hash [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "sha256:"))
	if err != nil || len(b) != len(hash) {
		return hash, fmt.Errorf("%q is no SHA-256 in hexadecimal: tidegauge token makes a token and its hash", text)
	}
	return [sha256.Size]byte(b), nil
}

// Guard decides who may ask for what. Without tokens whoever reaches a loopback address may do everything, and whoever
// reaches another one may read metrics and nothing else. Safe for concurrent use.
type Guard struct {
	Loopback bool // the process listens there and nowhere else
	tokens   atomic.Pointer[[]Token]
	triggers atomic.Pointer[[]Trigger]
	cross    http.CrossOriginProtection
}

// SetTokens replaces the tokens.
func (g *Guard) SetTokens(tokens []Token) { g.tokens.Store(&tokens) }

// SetTriggers replaces the triggers.
func (g *Guard) SetTriggers(triggers []Trigger) { g.triggers.Store(&triggers) }

// who returns the name and role of whoever makes a request. Every token is compared, in constant time each.
func (g *Guard) who(r *http.Request) (name string, role Role) {
	tokens := g.tokens.Load()
	if tokens == nil || len(*tokens) == 0 {
		if g.Loopback {
			return "local", Admin
		}
		return "anonymous", Nobody
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "", Nobody
	}
	hash := sha256.Sum256([]byte(given))
	for i := range *tokens {
		if t := &(*tokens)[i]; subtle.ConstantTimeCompare(hash[:], t.Hash[:]) == 1 {
			name, role = t.Name, t.Role
		}
	}
	return name, role
}

// allows says why a request may not be made; nil: it may.
func (g *Guard) allows(r *http.Request, role Role) error {
	_, has := g.who(r)
	tokens := g.tokens.Load()
	switch {
	case has >= role:
		return nil
	case tokens == nil || len(*tokens) == 0:
		return &Problem{Status: http.StatusForbidden, Title: "Forbidden", Detail: "the daemon is reachable from elsewhere and has no tokens: name some in its configuration, under access"}
	case has == Nobody:
		return &Problem{Status: http.StatusUnauthorized, Title: "Unauthorized", Detail: "a token of the daemon is needed: Authorization: Bearer TOKEN"}
	}
	return &Problem{Status: http.StatusForbidden, Title: "Forbidden", Detail: "the token does not have the role that this needs"}
}

// Protect guards a handler: requests that another site's page makes are refused, also those by a name that only seems to be
// this machine's (DNS rebinding), and where there are tokens everything but the health of the process needs one.
func (g *Guard) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.cross.Check(r); err != nil {
			problem(w, &Problem{Status: http.StatusForbidden, Title: "Forbidden", Detail: "the request comes from another site: " + err.Error()})
			return
		}
		if g.Loopback && !isLoopback(r.Host) {
			problem(w, &Problem{Status: http.StatusForbidden, Title: "Forbidden", Detail: fmt.Sprintf("the daemon is reached as localhost, not as %q", r.Host)})
			return
		}
		tokens := g.tokens.Load()
		if tokens != nil && len(*tokens) > 0 && !strings.HasPrefix(r.URL.Path, "/-/") && !strings.HasPrefix(r.URL.Path, triggerPath) {
			if err := g.allows(r, Read); err != nil {
				problem(w, err)
				return
			}
		}
		name, _ := g.who(r)
		next.ServeHTTP(w, withCaller(r, name))
	})
}

func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(endpoint.Canonical(host, "80"))
	return err == nil && name == "127.0.0.1"
}

// ListensOnLoopback reports whether an address to listen on can be reached from this machine only.
func ListensOnLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && host != "" && isLoopback(host)
}

// deniedEvery is how often a request that is refused is noted, at most.
const deniedEvery = time.Second

// Audit keeps who started and changed what, one line of JSON each. The nil Audit keeps nothing.
type Audit struct {
	mu     sync.Mutex
	file   *os.File
	denied time.Time // when a refused request was noted last
	silent int       // refused requests since, which were not
}

// OpenAudit opens the log for what is to come, after what it has.
func OpenAudit(file string) (*Audit, error) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	return &Audit{file: f}, nil
}

// Close ends the log.
func (a *Audit) Close() error { return a.file.Close() }

// note writes one request and what became of it.
func (a *Audit) note(r *http.Request, err error) {
	if a == nil {
		return
	}
	entry := struct {
		Time    time.Time `json:"time"`
		Who     string    `json:"who"`
		From    string    `json:"from"`
		Request string    `json:"request"`
		What    string    `json:"what,omitempty"`
		Error   string    `json:"error,omitempty"`
		Silent  int       `json:"not_noted,omitempty"` // refused requests since the last one that is
	}{Time: time.Now().UTC(), Who: whoIs(r), From: r.RemoteAddr, Request: r.Method + " " + r.URL.Path}
	if what, ok := r.Context().Value(noted{}).(*string); ok {
		entry.What = *what
	}
	if err != nil {
		entry.Error = err.Error()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if p, ok := errors.AsType[*Problem](err); ok && (p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden) {
		if entry.Time.Sub(a.denied) < deniedEvery { // who may do nothing must not fill the disk
			a.silent++
			return
		}
		entry.Silent, a.denied, a.silent = a.silent, entry.Time, 0
	}
	text, err := json.Marshal(entry)
	if err != nil {
		return
	}
	_, _ = a.file.Write(append(text, '\n')) // a full disk must not keep anybody from ending a run
}

// noted is the key of what is to be noted of a request in its context.
type noted struct{}

func withNote(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), noted{}, new(string)))
}

// noteOf says for the audit log what a request is about.
func noteOf(r *http.Request, format string, args ...any) {
	if what, ok := r.Context().Value(noted{}).(*string); ok {
		*what = fmt.Sprintf(format, args...)
	}
}
