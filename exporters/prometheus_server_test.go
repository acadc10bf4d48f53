package exporters

import (
	"debug/buildinfo"
	"fmt"
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// release is a Prometheus to test with. Debian has one that is old enough to need flags for what newer ones have always had.
type release struct {
	version string // how it begins
	install string // how to get it
}

var (
	prometheus2 = release{"2.", "apt-get install prometheus"}
	prometheus3 = release{"3.16.", "go install -tags remove_all_sd github.com/prometheus/prometheus/cmd/prometheus@v0.316.0 (likewise promtool)"}
)

// find returns the path of prometheus or promtool of a release, wherever go install and packages put programs: both releases
// can be in PATH under one name.
func (r release) find(t *testing.T, program string) (string, error) {
	t.Helper()
	folders := append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin")
	for _, root := range filepath.SplitList(build.Default.GOPATH) {
		folders = append(folders, filepath.Join(root, "bin"))
	}
	for _, folder := range folders {
		path := filepath.Join(folder, program)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && strings.HasPrefix(versionOf(t, path), r.version) {
			return path, nil
		}
	}
	return "", &missing{program + " " + r.version + "x", r.install}
}

// versionOf returns the version of a prometheus or promtool. One that go install made does not know it; its module does, as
// v0.316.0 for 3.16.0.
func versionOf(t *testing.T, path string) string {
	t.Helper()
	var major, minor, patch int
	if info, err := buildinfo.ReadFile(path); err == nil {
		if _, err := fmt.Sscanf(info.Main.Version, "v0.%1d%02d.%d", &major, &minor, &patch); err == nil {
			return fmt.Sprintf("%d.%d.%d", major, minor, patch)
		}
	}
	text, err := exec.CommandContext(t.Context(), path, "--version").CombinedOutput()
	if err != nil {
		return "" // not one that runs here
	}
	_, version, _ := strings.Cut(string(text), "version ")
	return version
}

// newPrometheus returns a server of a release that takes remote write, with a configuration file and flags.
func newPrometheus(t *testing.T, r release, config string, flags ...string) (*server, error) {
	t.Helper()
	binary, err := r.find(t, "prometheus")
	if err != nil {
		return nil, err
	}
	dir := t.TempDir()
	file := dir + "/prometheus.yml"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, binary: binary, address: freeAddress(t), ready: "/-/ready"}
	s.args = append([]string{
		"--config.file=" + file, "--storage.tsdb.path=" + dir + "/data", "--web.listen-address=" + s.address,
		"--web.enable-remote-write-receiver", "--log.level=warn",
	}, flags...)
	t.Cleanup(func() { s.stop(syscall.SIGKILL) })
	return s, nil
}
