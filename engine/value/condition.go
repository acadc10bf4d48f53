package value

// Condition is an expression that is true or false: status == 201, json.status == "created". It is safe for concurrent use.
type Condition struct{}

// Condition compiles a condition.
func (c *Compiler) Condition(text string) (*Condition, error) { panic("stub") }

// String returns the condition as written.
func (c *Condition) String() string { panic("stub") }

// Holds evaluates the condition. Reading a field that the answer does not have gives nil, not an error.
func (c *Condition) Holds(env *Env) (bool, error) { panic("stub") }

// ReadsStatus reports whether the condition mentions status: then no default check of the status applies.
func (c *Condition) ReadsStatus() bool { panic("stub") }

// Describe returns what the condition compared, with the values found, for the report: `status == 201 (status was 500)`.
// It is at most 200 bytes long.
func (c *Condition) Describe(env *Env) string { panic("stub") }

// Extractor is an expression whose value a later step uses: json.id, header["Location"]. It is safe for concurrent use.
type Extractor struct{}

// Extractor compiles an extractor.
func (c *Compiler) Extractor(text string) (*Extractor, error) { panic("stub") }

// String returns the extractor as written.
func (x *Extractor) String() string { panic("stub") }

// Value evaluates the extractor. A value that is not there is nil and no error. The value stays valid after the answer.
func (x *Extractor) Value(env *Env) (any, error) { panic("stub") }
