package value

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
)

func randInt(args ...any) (any, error) {
	a := read0(args)
	lo, hi, r := a.int(1), a.int(2), a.random()
	if a.err == nil && lo > hi {
		a.err = fmt.Errorf("randInt(%d, %d): the first number must not be larger than the second", lo, hi)
	}
	if a.err != nil {
		return nil, a.err
	}
	n := uint64(hi) - uint64(lo) + 1
	if n == 0 { // all 64 bits
		return int(r.Uint64()), nil
	}
	return int(uint64(lo) + r.Uint64N(n)), nil
}

func randFloat(args ...any) (any, error) {
	a := read0(args)
	lo, hi, r := a.float(1), a.float(2), a.random()
	if a.err != nil {
		return nil, a.err
	}
	return lo + (hi-lo)*r.Float64(), nil
}

func randChoice(args ...any) (any, error) {
	a := read0(args)
	r := a.random()
	list := reflect.ValueOf(args[1])
	if list.Kind() != reflect.Slice {
		a.fail(1, "a list")
	} else if list.Len() == 0 && a.err == nil {
		a.err = errors.New("randChoice: the list is empty")
	}
	if a.err != nil {
		return nil, a.err
	}
	return list.Index(r.IntN(list.Len())).Interface(), nil
}

func randFrom(alphabet string) func(args ...any) (any, error) {
	return func(args ...any) (any, error) {
		a := read0(args)
		n, r := a.int(1), a.random()
		a.size(n)
		if a.err != nil {
			return nil, a.err
		}
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b), nil
	}
}

// uuid makes a version 4 UUID of RFC 9562 from the user's random numbers.
func uuid(args ...any) (any, error) {
	a := read0(args)
	r := a.random()
	if a.err != nil {
		return nil, a.err
	}
	var bits [16]byte
	binary.BigEndian.PutUint64(bits[:8], r.Uint64())
	binary.BigEndian.PutUint64(bits[8:], r.Uint64())
	bits[6] = bits[6]&0x0f | 0x40 // version
	bits[8] = bits[8]&0x3f | 0x80 // variant
	text := make([]byte, 0, 36)
	for i, b := range bits {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text = append(text, '-')
		}
		text = append(text, hexDigits[b>>4], hexDigits[b&15])
	}
	return string(text), nil
}
