package plan

import (
	"time"

	"tidegauge/engine/document"
)

const warmUpForm = "auto, none or a duration such as 30s"

// warmUp reads what is left out of the steady stretch that is judged. With auto it returns nil: it is looked for.
func (d *decoder) warmUp(n node) (*time.Duration, bool) {
	return document.Read(d.Decoder, warmUpForm, func(s string) (*time.Duration, error) {
		var length time.Duration
		switch s {
		case "auto":
			return nil, nil
		case "none":
			return &length, nil
		}
		length, err := document.ParseDuration(s)
		return &length, err
	})(n)
}

// checkWarmUp sees that a warm-up leaves something to be judged, in a test that leaves one out.
func (d *decoder) checkWarmUp(t *Test, found map[string]member) {
	m, ok := found["warm_up"]
	switch {
	case !ok:
	case t.Type != Load && t.Type != Soak:
		d.Wrong(m.Key, "warm_up has no meaning here: a %s test is judged as a whole, expected it to be left out, or the type load or soak", t.Type)
	case t.WarmUp != nil && len(t.Shape.Stages) > 0 && *t.WarmUp >= t.Shape.Duration():
		d.Wrong(m.Value, "a warm-up of %v leaves nothing of the %v that the test lasts, expected a shorter one", *t.WarmUp, t.Shape.Duration())
	}
}
