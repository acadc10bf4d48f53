// Package feed hands rows of test data to users.
package feed

import (
	"math/rand/v2"

	"tidegauge/engine/plan"
)

// Row is one row of test data by column.
type Row = map[string]any

// Feed hands out the rows of one data set. Safe for concurrent use.
type Feed struct{}

// Open reads the whole file. Errors name the file and, where it has them, line and column.
func Open(d plan.Data) (*Feed, error) { panic("stub") }

// Len returns the number of rows.
func (f *Feed) Len() int { panic("stub") }

// Row returns the row for an iteration of a virtual user (numbered from 1). The row is shared: do not change it.
func (f *Feed) Row(user int, r *rand.Rand) Row { panic("stub") }
