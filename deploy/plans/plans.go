// Package plans holds the example plans, so that a binary alone can run them.
package plans

import "embed"

// FS holds the plans and their data files, all in its root. A plan looks for its data beside itself: copy the files into
// a folder (os.CopyFS) to run one.
//
//go:embed *.yaml *.csv
var FS embed.FS
