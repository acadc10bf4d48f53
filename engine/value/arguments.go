package value

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// arguments reads the arguments of a call; those whose types were not known before are checked here.
type arguments struct {
	env  *Env
	args []any
	err  error
}

func read0(args []any) arguments { return arguments{env: args[0].(*Env), args: args} }

func (a *arguments) fail(i int, expected string) {
	if a.err == nil {
		a.err = fmt.Errorf("found %s as argument %d, expected %s", kindName(a.args[i]), i, expected)
	}
}

func (a *arguments) text(i int) string {
	s, ok := a.args[i].(string)
	if !ok {
		a.fail(i, "text")
	}
	return s
}

func (a *arguments) float(i int) float64 {
	f, ok := number(a.args[i])
	if !ok {
		a.fail(i, "a number")
	}
	return f
}

func (a *arguments) int(i int) int {
	if n, ok := a.args[i].(int); ok {
		return n
	}
	f, ok := number(a.args[i])
	if !ok || f != float64(int(f)) {
		a.fail(i, "a whole number")
		return 0
	}
	return int(f)
}

func (a *arguments) random() *rand.Rand {
	if a.env.Rand == nil && a.err == nil {
		a.err = errors.New("has no source of random numbers")
	}
	return a.env.Rand
}

// size checks that n is a length, and accounts for it.
func (a *arguments) size(n int) {
	if a.err != nil {
		return
	}
	if n < 0 || n > maxText {
		a.err = fmt.Errorf("makes text of %d bytes, expected 0 to %d", n, maxText)
		return
	}
	a.err = a.env.spend(n / 64)
}
