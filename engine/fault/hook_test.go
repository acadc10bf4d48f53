//go:build unix

package fault_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegauge/engine/fault"
)

func TestHook(t *testing.T) {
	file := filepath.Join(t.TempDir(), "broken")
	h := &fault.Hook{Begin: fault.Action{Command: []string{"touch", file}}, End: fault.Action{Command: []string{"rm", "-f", file}}}
	undo, err := h.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the command did nothing: %v", err)
	}
	for range 2 {
		if err := undo(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the undo did nothing: %v", err)
	}
	nothing := &fault.Hook{Begin: fault.Action{Command: []string{"true"}}}
	if undo, err := nothing.Start(t.Context()); err != nil || undo(t.Context()) != nil || len(nothing.Remedy()) != 0 {
		t.Errorf("a hook without undo: %v", err)
	}
}

func TestCommandErrors(t *testing.T) {
	for _, test := range []struct {
		name    string
		command []string
		timeout time.Duration
		want    []string
	}{
		{"fails", []string{"sh", "-c", "echo no such container >&2; exit 3"}, 0, []string{"running sh -c", "exit status 3", "it said: no such container"}},
		{"does not exist", []string{"no-such-program-here"}, 0, []string{"running no-such-program-here", "not found"}},
		{"says too much", []string{"sh", "-c", "yes 0123456789 | head -c 100000; echo the end; exit 1"}, 0, []string{"the end"}},
		{"takes too long", []string{"sleep", "60"}, 50 * time.Millisecond, []string{"running sleep 60: killed: not done within 50ms"}},
		{"is nothing", nil, 0, []string{"neither a command nor a call"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := fault.Action{Command: test.command, Timeout: test.timeout}.Do(t.Context())
			if err == nil || len(err.Error()) > 1300 {
				t.Fatalf("error %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q", err, want)
				}
			}
		})
	}
}

// At the time limit the whole process group ends, also what the command left in the background.
func TestProcessGroupIsKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	err := fault.Action{Command: []string{"sh", "-c", `sleep 600 & echo $! > "$0"; wait`, file}, Timeout: 500 * time.Millisecond}.Do(t.Context())
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("error %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Skip("the machine is so busy that the command did not begin in time")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); running(pid); {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

// running reports whether a process is there and not a zombie that nobody has waited for yet.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func TestCall(t *testing.T) {
	requests := make(chan string, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		requests <- fmt.Sprint(r.Method, " ", r.URL.Path, " ", string(body), " ", err)
		switch r.URL.Path {
		case "/gone":
			http.Error(w, "toxic not found", http.StatusNotFound)
		case "/elsewhere":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/hangs":
			<-r.Context().Done()
		}
	}))
	defer s.Close()
	for _, test := range []struct{ path, want string }{
		{"/ok", ""},
		{"/gone", "404 Not Found: toxic not found"},
		{"/elsewhere", "302 Found"},
		{"/hangs", "not done within 100ms"},
	} {
		a := fault.Action{Call: &fault.Call{Method: "POST", URL: s.URL + test.path, Body: "{}"}, Timeout: 100 * time.Millisecond}
		if test.path != "/hangs" {
			a.Timeout = 0
		}
		err := a.Do(t.Context())
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.path, err, test.want)
		}
	}
	if got := <-requests; got != "POST /ok {} <nil>" {
		t.Errorf("the first call was %s", got)
	}
	accepted := fault.Action{Call: &fault.Call{Method: "DELETE", URL: s.URL + "/gone", Accept: []int{404}}}
	if err := accepted.Do(t.Context()); err != nil {
		t.Errorf("a status that is accepted: %v", err)
	}
}

func TestAllowed(t *testing.T) {
	command := func(words ...string) fault.Action { return fault.Action{Command: words} }
	post := func(url string) fault.Action { return fault.Action{Call: &fault.Call{Method: "POST", URL: url}} }
	allowed := fault.Allowed{"docker stop redis", "kubectl delete pod *", "http://localhost:9000/break"}
	for _, test := range []struct {
		action fault.Action
		want   bool
	}{
		{command("docker", "stop", "redis"), true},
		{command("docker", "stop", "redis", "postgres"), false},
		{command("docker", "stop"), false},
		{command("docker", "start", "redis"), false},
		{command("docker stop redis"), false},
		{command("kubectl", "delete", "pod", "web"), true},
		{command("kubectl", "delete", "pod", "web", "--all"), false},
		{command("http://localhost:9000/break"), false},
		{post("http://localhost:9000/break"), true},
		{post("http://localhost:9000/break/more"), false},
		{post("docker stop redis"), false},
		{fault.Action{}, false},
	} {
		if err := allowed.Check(test.action); (err == nil) != test.want {
			t.Errorf("%s: %v, want it allowed: %t", test.action, err, test.want)
		}
	}
	if err := (fault.Allowed)(nil).Check(command("true")); err == nil {
		t.Error("nothing is allowed, and true is")
	}
	h := &fault.Hook{Begin: command("docker", "stop", "redis"), End: command("docker", "start", "redis")}
	if err := h.Check(allowed); err == nil || !strings.Contains(err.Error(), "docker start redis is not allowed here") {
		t.Errorf("a hook whose undo is not allowed: %v", err)
	}
	if got := command("sh", "-c", "a b; c", "").String(); got != `sh -c "a b; c" ""` {
		t.Errorf("a command reads %s", got)
	}
}
