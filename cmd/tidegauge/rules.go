package main

import (
	"fmt"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"tidegauge/engine/rule"
)

func newRules(c *console) *cobra.Command {
	var out, tests string
	cmd := &cobra.Command{
		Use:   "rules PLAN",
		Short: "Write Prometheus rules for the objectives of a plan",
		Long: `Writes a Prometheus rule file, for rule_files of its configuration. For each test of type load or soak it records
what each objective speaks of as tidegauge:objective:value, in the steady part of a run, and alerts when that does
not meet the objective. For every test it alerts when the latest run missed an objective, until the next run or for
a day. Nothing fires between runs. The key metrics are objectives: preset: key-metrics in the plan.

Where the objectives of a plan change, its rules have to be written again.`,
		Example: "  tidegauge rules deploy/plans/payments.yaml\n  tidegauge rules deploy/plans/payments.yaml --out payments.rules.yaml --tests payments.test.yaml",
		Args:    onePlan,
		RunE: func(_ *cobra.Command, args []string) error {
			if tests != "" && out == "" {
				return withCode(exitUsage, fmt.Errorf("--tests names the file of rules that it tests: give --out FILE too"))
			}
			p, err := readPlan(c, args[0], "", nil)
			if err != nil {
				return err
			}
			f, skipped, err := rule.ForPlan(p)
			if err != nil {
				return withCode(exitPlan, err)
			}
			for _, s := range skipped {
				fmt.Fprintf(c.err, "tidegauge: test %s: %s is judged at the end of a run only: %s\n", s.Test, s.Objective, s.Why)
			}
			text, err := f.YAML("Rules of the plan " + p.Name + ". Written by tidegauge rules; write them again when the objectives change.\n" +
				"What to do when an alert fires: " + rule.RunbookPath)
			if err != nil {
				return err
			}
			if out == "" {
				_, err := c.out.Write(text)
				return printed(err)
			}
			if err := writeRules(out, text); err != nil || tests == "" {
				return err
			}
			relative, err := filepath.Rel(filepath.Dir(tests), out)
			if err != nil {
				return withCode(exitUsage, fmt.Errorf("naming %s in %s: %w; give both paths in the same way", out, tests, err))
			}
			if text, err = rule.UnitTests(p, filepath.ToSlash(relative)); err != nil {
				return err
			}
			return writeRules(tests, text)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the rules to this file instead of standard output; its folder must be there")
	cmd.Flags().StringVar(&tests, "tests", "", "with --out: write unit tests of the rules for promtool 3 to this file")
	return cmd
}

func writeRules(file string, text []byte) error {
	if err := renameio.WriteFile(file, text, 0o644); err != nil {
		return withCode(exitStorage, fmt.Errorf("writing the rules: %w", err))
	}
	return nil
}
