package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"tidegauge/cmd/tidegauge/internal/app"
	"tidegauge/engine/report"
	"tidegauge/exporters"
)

// standardOut is the path that is no file.
const standardOut = "-"

// output is a report that is to be written.
type output struct {
	given  string // as on the command line, for messages
	format exporters.Format
	path   string // of a file or of a folder
}

// parseOutput reads FORMAT=PATH.
func parseOutput(flag, text string) (output, error) {
	name, path, ok := strings.Cut(text, "=")
	if !ok || path == "" {
		return output{}, fmt.Errorf("%s%s: expected FORMAT=PATH, as html=report.html; formats are %s", flag, text, strings.Join(exporters.FormatNames(), ", "))
	}
	f, err := exporters.FindFormat(name)
	if err != nil {
		return output{}, fmt.Errorf("%s%s: %w", flag, text, err)
	}
	return output{flag + text, f, path}, nil
}

// outputs are the reports of a command.
type outputs []output

// standard reports whether standard output is a report's alone. At most one may have it.
func (all outputs) standard() (bool, error) {
	taken := ""
	for i := range all {
		if all[i].path != standardOut {
			continue
		}
		if taken != "" {
			return true, fmt.Errorf("%s and %s: standard output can be one report only: give the other a file", taken, all[i].given)
		}
		taken = all[i].given
	}
	return taken != "", nil
}

// foldersExist fails when a file is to be written to a folder that is not there: more often a mistyped path than a wish.
func (all outputs) foldersExist() error {
	for i := range all {
		if err := folderExists(all[i].given, all[i].path); err != nil {
			return err
		}
	}
	return nil
}

func folderExists(given, path string) error {
	if path == "" || path == standardOut {
		return nil
	}
	dir := filepath.Dir(path)
	if strings.HasSuffix(path, string(filepath.Separator)) {
		dir = filepath.Clean(path)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no folder %s: create it, or give another path; nothing was sent", given, dir)
	case errors.Is(err, syscall.ENOTDIR), err == nil && !info.IsDir():
		return fmt.Errorf("%s: %s is not a directory: give another path; nothing was sent", given, dir)
	}
	return nil
}

// file returns the file of a report of a run: in a folder it has the run's name.
func (o *output) file(run string) string {
	if info, err := os.Stat(o.path); err == nil && info.IsDir() {
		return filepath.Join(o.path, run+o.format.Extension)
	}
	return o.path
}

// try fails when a report could not be written, before anything is sent. It leaves earlier reports as they are.
func (all outputs) try() error {
	for i := range all {
		o := &all[i]
		if o.path == standardOut {
			continue
		}
		file := o.file("tidegauge-try")
		_, err := os.Stat(file)
		fresh := errors.Is(err, fs.ErrNotExist)
		var f *os.File
		if err == nil || fresh {
			f, err = os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644)
		}
		if err == nil {
			err = f.Close()
		}
		if err == nil && fresh {
			err = os.Remove(file)
		}
		if err != nil {
			return withCode(exitStorage, fmt.Errorf("writing the report %s: %w; nothing was sent", o.given, err))
		}
	}
	return nil
}

// write writes every report, each whole or not at all where it goes to a file. One that cannot be written keeps no other from it.
func (all outputs) write(run *exporters.Run, out io.Writer) error {
	var failed []error
	for i := range all {
		o := &all[i]
		var text bytes.Buffer
		err := o.format.Write(&text, run)
		switch {
		case err != nil:
		case o.path == standardOut:
			_, err = out.Write(text.Bytes())
			if errors.Is(err, syscall.EPIPE) { // nobody reads it any more
				err = nil
			}
		default:
			err = replace(o.file(run.Report.Run.ID), text.Bytes())
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("writing the report %s: %w", o.given, err))
		}
	}
	return withCode(exitStorage, errors.Join(failed...))
}

// replace writes a file so that it is there in full or as it was before.
func replace(file string, text []byte) error {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() { // a device or a pipe
		return os.WriteFile(file, text, 0o644)
	}
	return renameio.WriteFile(file, text, 0o644)
}

// reported writes the reports of a run that has just been made. What its folder does not have, reports do without.
func (all outputs) reported(a *app.App, r *report.Report, out io.Writer) error {
	if len(all) == 0 {
		return nil
	}
	run := &exporters.Run{Report: r}
	var problem error
	if s, err := a.History.Load(r.Run.ID); err != nil {
		problem = err
	} else {
		run, problem = exporters.RunOf(s)
		run.Report = r // it has what reruns have shown
	}
	return errors.Join(withCode(exitStorage, problem), all.write(run, out))
}

func newReport(c *console) *cobra.Command {
	var s archiveFlags
	cmd := &cobra.Command{
		Use:   "report RUN FORMAT=PATH...",
		Short: "Write the report of a run as HTML, JUnit XML, Markdown, JSON lines or JSON",
		Long: `Writes the report of any run there was; RUN is an id, the beginning of one, its last letters, or latest.

` + formatsHelp + `

PATH is a file, a folder, in which the file has the run's name, or - for standard output.`,
		Example: "  tidegauge report latest html=report.html\n  tidegauge report latest markdown=- >> \"$GITHUB_STEP_SUMMARY\"\n  tidegauge report k3f9 junit=results/ jsonl=k3f9.jsonl",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var all outputs
			for _, text := range args[1:] {
				o, err := parseOutput("", text)
				if err != nil {
					return withCode(exitUsage, err)
				}
				all = append(all, o)
			}
			if _, err := all.standard(); err != nil {
				return withCode(exitUsage, err)
			}
			if err := all.foldersExist(); err != nil {
				return withCode(exitUsage, errors.New(strings.TrimSuffix(err.Error(), "; nothing was sent")))
			}
			runs, err := s.open(cmd, c)
			if err != nil {
				return err
			}
			defer runs.close()
			r, id, problems, err := runs.report(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			for _, p := range problems {
				fmt.Fprintf(c.err, "tidegauge: %v\n", p)
			}
			if r == nil {
				return withCode(exitStorage, fmt.Errorf("writing the report of run %s: it has none that can be read", id))
			}
			run, err := runs.whole(cmd.Context(), r)
			return errors.Join(err, all.write(run, c.out))
		},
	}
	s.register(cmd.Flags())
	return cmd
}

const formatsHelp = `  html      one page with everything, to be kept: pictures, tables, the plan; it needs no network and no script
  junit     JUnit XML, a test case for each objective, for the test view of a CI system
  markdown  for pull requests and the summaries of CI jobs
  jsonl     JSON lines: counts, rates and quantiles of each request in each interval, and events
  json      the report as JSON`
