package fault

import "context"

// Hook is a fault made by an action and undone by another. Both have to be allowed before it is put on a timeline (see Check).
type Hook struct {
	Begin Action
	End   Action // zero: nothing is to be undone, as with a pod that was deleted and comes back by itself
}

// Check returns an error unless both actions are allowed.
func (h *Hook) Check(l Allowed) error {
	if err := l.Check(h.Begin); err != nil {
		return err
	}
	if len(h.Remedy()) == 0 {
		return nil
	}
	return l.Check(h.End)
}

// Start implements Fault. An action that failed may have done half of what it does, so its undo is returned all the same.
func (h *Hook) Start(ctx context.Context) (func(context.Context) error, error) {
	err := h.Begin.Do(ctx)
	return func(ctx context.Context) error { return doAll(ctx, h.Remedy()) }, err
}

// Remedy implements Fault.
func (h *Hook) Remedy() []Action {
	if h.End.Call == nil && len(h.End.Command) == 0 {
		return nil
	}
	return []Action{h.End}
}
