package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tidegauge/engine/compare"
	"tidegauge/engine/report"
)

// Import writes the folder of a run that another tool has made: what its values say that they are imported from. It has no totals and no
// intervals. Its id says when it began.
func (h *History) Import(rep *report.Report, values *compare.Values, planSource []byte) (Record, error) {
	failed := func(err error) (Record, error) {
		return Record{}, fmt.Errorf("import a run into %s: %w", h.dir, err)
	}
	r := &Run{write: writeFile}
	for {
		rep.Run.ID = newID(rep.Start, rep.Run.Test)
		r.dir = filepath.Join(h.dir, rep.Run.ID)
		err := os.Mkdir(r.dir, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return failed(err)
		}
		break
	}
	r.record = newRecord(&rep.Run, 0, rep.Start)
	r.record.State, r.record.Imported = Finished, values.Imported
	r.record.take(rep)
	b, err := json.Marshal(values)
	if err == nil {
		err = r.write(filepath.Join(r.dir, valuesFile), append(b, '\n'))
	}
	if err == nil {
		err = r.write(filepath.Join(r.dir, planFile), planSource)
	}
	if err == nil {
		err = r.writeReport(rep)
	}
	if err == nil {
		err = r.writeTotals(nil)
	}
	if err == nil {
		err = r.writeRecord()
	}
	if err != nil {
		return failed(errors.Join(err, os.RemoveAll(r.dir)))
	}
	return r.record, nil
}
