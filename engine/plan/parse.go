package plan

// Parse reads a plan. The error, if any, is of type Errors and lists every mistake. dir of file is where data files are
// looked for.
func Parse(file string, source []byte, o Options) (*Plan, error) { panic("stub") }

// Test returns the test of that name, or with an empty name the only one or the one called "load"; the error lists the
// names there are.
func (p *Plan) Test(name string) (*Test, error) { panic("stub") }
