package fault

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// command runs the command in a process group of its own, which is killed at the time limit: whatever the command started
// ends with it.
func (a Action) command(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, a.Command[0], a.Command[1:]...)
	said := &tail{}
	cmd.Stdout, cmd.Stderr = said, said
	ownGroup(cmd)
	cmd.WaitDelay = time.Second // for a child that left the group and holds the output
	err := cmd.Run()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success() {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
		err = fmt.Errorf("killed: %w", cause)
	}
	if text := said.String(); text != "" {
		return fmt.Errorf("running %s: %w; it said: %s", a, err, text)
	}
	return fmt.Errorf("running %s: %w", a, err)
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-maxSaid):]...)
	if extra := len(t.kept) - maxSaid; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(t.kept), "")), " ")
}
