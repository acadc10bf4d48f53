package history

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tidegauge/engine/interval"
	"tidegauge/engine/measure"
	"tidegauge/engine/report"
)

// Stored is a run as its folder has it.
type Stored struct {
	Record     Record
	Dir        string
	Report     *report.Report // of the last checkpoint if the run was interrupted; nil: there is none
	PlanSource []byte         // nil: there is none
	Summary    string         // "": there is none
	Problems   []string       // files that are there and cannot be read
}

// Load reads a run, found by its name as by Find. What cannot be read is missing in the result and named in Problems; the
// error is for a run that is not there.
func (h *History) Load(name string) (*Stored, error) {
	record, err := h.Find(name)
	if err != nil {
		return nil, err
	}
	s := &Stored{Record: record, Dir: filepath.Join(h.dir, record.ID)}
	if record.Problem != "" {
		s.Problems = append(s.Problems, record.Problem)
	}
	if b := s.file(reportFile); b != nil {
		if s.Report, err = report.ReadJSON(bytes.NewReader(b)); err != nil {
			s.Problems = append(s.Problems, fmt.Sprintf("%s: %v", reportFile, err))
		}
	}
	s.PlanSource = s.file(planFile)
	s.Summary = string(s.file(summaryFile))
	return s, nil
}

// file reads one file of the folder; one that is not there is nil and no problem.
func (s *Stored) file(name string) []byte {
	b, err := os.ReadFile(s.located(name))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.Problems = append(s.Problems, err.Error())
		}
		return nil
	}
	return b
}

// Totals reads the totals of the run at full resolution. Its classes, requests and checks are in the order of the report's.
func (s *Stored) Totals() (*measure.Totals, error) {
	b, err := os.ReadFile(s.located(histogramsFile))
	if err != nil {
		return nil, fmt.Errorf("read histograms of run %s: %w", s.Record.ID, err)
	}
	var t measure.Totals
	if err := t.UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("read histograms of run %s: %w", s.Record.ID, err)
	}
	return &t, nil
}

// Intervals reads what the run measured interval by interval; nil if there is no such file, as of a run of an older version.
func (s *Stored) Intervals() (*interval.Log, error) {
	b, err := s.IntervalsEncoded()
	if b == nil {
		return nil, err
	}
	l, err := interval.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("read intervals of run %s: %w", s.Record.ID, err)
	}
	return l, nil
}

// IntervalsEncoded is Intervals in the form that interval.Decode reads; nil if there is no such file.
func (s *Stored) IntervalsEncoded() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(s.Dir, intervalsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read intervals of run %s: %w", s.Record.ID, err)
	}
	return b, nil
}
