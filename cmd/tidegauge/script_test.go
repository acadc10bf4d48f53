package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tidegauge/engine/store"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == demoServiceName { // of a demo in this process
		main()
		return
	}
	testscript.Main(m, map[string]func(){"tidegauge": main})
}

// TestScripts runs the command as a user would, against servers on loopback that behave and that do not:
//
//	$OK       (its host and port: $OK_HOST) answers 200 {"status":"ok"}; /slow and /slow/ after the client has gone; /missing/ 404; POST / 201
//	$REFUSED  a port on which nothing listens
//	$GARBAGE  answers with something that is not HTTP
//	$ENDLESS  answers with a body that never ends
//	$RESET    closes every connection after the request
func TestScripts(t *testing.T) {
	requests := make(chan struct{}, 10_000)
	held := make(chan struct{}, 10_000)
	ok := httptest.NewServer(okHandler(requests, held))
	t.Cleanup(ok.Close)
	env := map[string]string{
		"OK":      ok.URL,
		"OK_HOST": strings.TrimPrefix(ok.URL, "http://"),
		"REFUSED": "http://" + unusedAddress(t),
		"GARBAGE": rawServer(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1\r\n") }),
		"ENDLESS": rawServer(t, func(c net.Conn) {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
			for chunk := strings.Repeat("x", 64<<10); err == nil; {
				_, err = io.WriteString(c, chunk)
			}
		}),
		"RESET": rawServer(t, func(net.Conn) {}),
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			for name, value := range env {
				e.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"crlf":     cmdCRLF,
			"exits":    cmdExits,
			"held":     func(ts *testscript.TestScript, _ bool, args []string) { awaitServed(ts, held, args) },
			"hold":     cmdHold,
			"served":   func(ts *testscript.TestScript, _ bool, args []string) { awaitServed(ts, requests, args) },
			"readonly": cmdReadOnly,
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// okHandler notes each request to /counted in requests, and each that /slow/ holds until its client has gone in held.
func okHandler(requests, held chan<- struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/counted" {
			requests <- struct{}{}
		}
		if strings.HasSuffix(r.URL.Path, "/write") { // as a store answers
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
		fmt.Fprintln(w, `{"status":"ok","id":"a1"}`)
	})
	mux.HandleFunc("/missing/", http.NotFound)
	mux.HandleFunc("/slow/", func(_ http.ResponseWriter, r *http.Request) {
		held <- struct{}{}
		<-r.Context().Done()
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

// rawServer accepts connections, reads a request's header and lets answer do the rest.
func rawServer(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				defer context.AfterFunc(ctx, func() { c.Close() })()
				for lines := bufio.NewScanner(c); lines.Scan() && lines.Text() != ""; {
				}
				answer(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		serving.Wait()
	})
	return "http://" + l.Addr().String()
}

func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// cmdCRLF fails unless every line of each file ends in CR LF.
func cmdCRLF(ts *testscript.TestScript, neg bool, files []string) {
	for _, file := range files {
		text := ts.ReadFile(file)
		if all := strings.Count(text, "\n") == strings.Count(text, "\r\n") && strings.HasSuffix(text, "\r\n"); all == neg {
			ts.Fatalf("%s: every line ends in CR LF: %v", file, all)
		}
	}
}

// cmdExits runs a command and fails unless it ends with the exit code given first, or one of several with | between:
// exits 3 tidegauge validate bad.yaml.
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	want := strings.Split(args[0], "|")
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if !slices.Contains(want, strconv.Itoa(got)) {
		ts.Fatalf("%s ended with exit code %d, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// cmdHold keeps a data directory open in this process until the script ends, as a second tidegauge would.
func cmdHold(ts *testscript.TestScript, _ bool, dirs []string) {
	for _, dir := range dirs {
		s, err := store.Open(store.Options{Dir: filepath.Join(ts.MkAbs(dir), "store")})
		ts.Check(err)
		ts.Defer(func() { ts.Check(s.Close()) })
	}
}

// awaitServed waits until so many requests were made to $OK/counted, or $OK/slow/.
func awaitServed(ts *testscript.TestScript, requests <-chan struct{}, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: served COUNT")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	limit := time.After(time.Minute)
	for i := range n {
		select {
		case <-requests:
		case <-limit:
			ts.Fatalf("%d requests were made within 20 s, want %d", i, n)
		}
	}
}

// cmdReadOnly makes a path that nothing can be written to, also for root: a file where a folder is wanted.
func cmdReadOnly(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte("a file, not a folder\n"), 0o400))
	}
}
