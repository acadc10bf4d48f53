// Package feed hands rows of test data to users.
//
// A file is read as a whole and kept in memory, up to [MaxBytes].
package feed

import (
	"math/rand/v2"
	"sync/atomic"
)

// Order is how rows are handed out.
type Order string

// The orders.
const (
	Sequential Order = "sequential" // one after the other to whoever asks, from the start again at the end; the default
	Random     Order = "random"     // each time any row, all equally likely
	Unique     Order = "unique"     // each virtual user keeps a row of its own
)

// Orders returns all orders.
func Orders() []Order { return []Order{Sequential, Random, Unique} }

// Formats returns the names of all formats.
func Formats() []string { return []string{"csv", "json", "jsonl"} }

// Options say what to read and how to hand it out.
type Options struct {
	Name   string // what expressions call the data set
	File   string
	Format string // csv, json or jsonl; empty: by the ending of File
	Order  Order  // empty: Sequential
}

// Row is one row of test data by column. CSV values are strings; JSON values are string, int (or uint64, float64 where it
// does not fit), bool, nil, map[string]any and []any.
type Row = map[string]any

// Feed hands out the rows of one data set. Safe for concurrent use.
type Feed struct {
	order   Order
	columns []string
	rows    []Row
	next    atomic.Uint64
}

// Columns returns the names of the columns in the order of the file: all that any row has. Do not change it.
func (f *Feed) Columns() []string { return f.columns }

// Len returns the number of rows, at least 1.
func (f *Feed) Len() int { return len(f.rows) }

// Row returns the row for an iteration of a virtual user (numbered from 1); r is used in random order only. The row is
// shared: do not change it. In unique order users beyond the rows start over at the first row; whoever knows the number
// of users compares it with Len beforehand.
func (f *Feed) Row(user int, r *rand.Rand) Row {
	n := uint64(len(f.rows))
	switch f.order {
	case Random:
		return f.rows[r.Uint64N(n)]
	case Unique:
		return f.rows[uint64(max(user, 1)-1)%n]
	default:
		return f.rows[(f.next.Add(1)-1)%n]
	}
}
