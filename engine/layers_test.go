package engine

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// heavy lists the dependencies that stay behind the packages named: an import from elsewhere is a decision that a
// reviewer should see in this table.
var heavy = map[string][]string{
	"github.com/prometheus/prometheus":         {"engine/store", "engine/scrape", "engine/alert", "exporters/prometheus"},
	"github.com/prometheus/otlptranslator":     {"engine/catalog"},
	"github.com/prometheus/client_golang":      {"engine/store", "engine/scrape", "engine/alert", "engine/telemetry", "engine/host", "cmd/paydemo"},
	"github.com/shirou/gopsutil":               {"engine/host"},
	"go.opentelemetry.io/otel":                 {"engine/telemetry", "engine/experiment"},
	"go.opentelemetry.io/proto/otlp":           {"exporters/otlp"},
	"google.golang.org/grpc":                   {"exporters/otlp"},
	"gopkg.in/yaml.v3":                         {"engine/document", "engine/plan", "engine/rule", "grafana", "cmd/tidegauge/internal/config"},
	"go.yaml.in/yaml/v2":                       {"engine/scrape"}, // that of Prometheus, whose types decode themselves
	"github.com/expr-lang/expr":                {"engine/value"},
	"github.com/robfig/cron":                   {"engine/queue"},
	"github.com/fsnotify/fsnotify":             {"engine/queue"},
	"github.com/tidwall/gjson":                 {"engine/value"},
	"github.com/valyala/fasthttp":              {"engine/protocol/web", "deploy/bench"},
	"github.com/Shopify/toxiproxy":             {"engine/fault/tcp"},
	"github.com/rs/zerolog":                    {"engine/fault/tcp"},
	"gonum.org/v1/gonum":                       {"engine/stat"},
	"github.com/spf13/cobra":                   {"cmd/tidegauge"},
	"github.com/redis/go-redis":                {"cmd/paydemo"},
	"github.com/alicebob/miniredis":            {"cmd/paydemo"},
	"github.com/sony/gobreaker":                {"cmd/paydemo"},
	"github.com/influxdata/influxdb-client-go": {"exporters/influxdb"},
}

// levelOf reads the table of doc.go: package → level, and which packages it names.
func levelOf(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	levels := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^//\t(\d+) +(\S+) `).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		levels[m[2]] = n
	}
	if len(levels) < 10 {
		t.Fatalf("the table in doc.go has only %d packages: its form changed?", len(levels))
	}
	return levels
}

// importsOf returns the imports of every package below the module's root, tests left out, by folder.
func importsOf(t *testing.T, root string) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "tidegauge-data") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(rel)
		imports[folder] = append(imports[folder], "") // a package without imports counts too
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports[folder] = append(imports[folder], p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return imports
}

// within reports whether a folder is one of the roots or lies below one.
func within(folder string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return folder == r || strings.HasPrefix(folder, r+"/") })
}

func TestImportsGoDownTheLevels(t *testing.T) {
	levels := levelOf(t)
	imports := importsOf(t, "..")
	for folder, list := range imports {
		if folder == "engine" || within(folder, "deploy") {
			continue // the map itself; programs and plans around the product
		}
		if within(folder, "cmd/paydemo") {
			for _, p := range list {
				if rest, ours := strings.CutPrefix(p, "tidegauge/"); ours && !within(rest, "cmd/paydemo") {
					t.Errorf("%s imports %s: the demo service knows nothing of the tool", folder, p)
				}
			}
			continue
		}
		level, ok := levels[folder]
		if !ok {
			t.Errorf("package %s is not in the table of engine/doc.go: give it a level and a purpose", folder)
			continue
		}
		for _, p := range list {
			target, ours := strings.CutPrefix(p, "tidegauge/")
			if !ours {
				continue
			}
			if within(target, "cmd/paydemo", "deploy") && within(folder, "cmd/tidegauge") {
				continue // the demo brings its service and its plan along
			}
			if below, ok := levels[target]; !ok || below >= level {
				t.Errorf("%s (level %d) imports %s (level %d): imports go down only", folder, level, target, below)
			}
		}
	}
	for folder := range levels {
		if _, ok := imports[folder]; !ok {
			t.Errorf("engine/doc.go names %s, which does not exist", folder)
		}
	}
}

func TestHeavyDependenciesStayBehindTheirPackage(t *testing.T) {
	used := map[string]bool{}
	for folder, list := range importsOf(t, "..") {
		for _, p := range list {
			for dependency, allowed := range heavy {
				if p != dependency && !strings.HasPrefix(p, dependency+"/") {
					continue
				}
				i := slices.IndexFunc(allowed, func(root string) bool { return within(folder, root) })
				if i < 0 {
					t.Errorf("%s imports %s, which belongs behind %v", folder, p, allowed)
					continue
				}
				used[dependency+" in "+allowed[i]] = true
			}
		}
	}
	for dependency, allowed := range heavy {
		for _, folder := range allowed {
			if !used[dependency+" in "+folder] {
				t.Errorf("the list of heavy dependencies allows %s in %s, which does not import it", dependency, folder)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for folder := range importsOf(t, "..") {
		documented := false
		files, err := filepath.Glob(path.Join("..", folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			documented = documented || f.Doc != nil
		}
		if !documented {
			t.Errorf("%s has no package comment", folder)
		}
	}
}
