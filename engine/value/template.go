package value

// Template is text with ${...} parts. It is safe for concurrent use.
type Template struct{}

// Template compiles text such as "Bearer ${token}". Values are inserted as they are. $${ stands for ${.
func (c *Compiler) Template(text string) (*Template, error) { panic("stub") }

// URL compiles a URL or a path. Values are percent-escaped, so that one stays one segment of a path or one value of a query;
// those before the path (a base URL, a host) are inserted as they are, as is a value that is the URL's beginning.
func (c *Compiler) URL(text string) (*Template, error) { panic("stub") }

// JSON compiles a body from an [Object], a []any, a [Text] or a scalar. A text that is one ${...} and nothing else keeps
// the type of the expression's value: a number stays a number. In other texts values are inserted as text.
func (c *Compiler) JSON(v any) (*Template, error) { panic("stub") }

// Form compiles a body of type application/x-www-form-urlencoded. Values are scalars and texts, or lists of them, which
// repeat their key.
func (c *Compiler) Form(fields Object) (*Template, error) { panic("stub") }

// Constant evaluates text whose ${...} parts need nothing but environment variables.
func (c *Compiler) Constant(text string) (string, error) { panic("stub") }

// String returns the template as written; for a JSON or form body with its ${...} parts as written.
func (t *Template) String() string { panic("stub") }

// Constant returns the text and true if the template always gives the same text.
func (t *Template) Constant() (string, bool) { panic("stub") }

// Append appends the evaluated text to b. The error names the expression and what it failed on; if it wraps [ErrNoValue]
// something was read that is not there. b is then returned as it was.
func (t *Template) Append(b []byte, env *Env) ([]byte, error) { panic("stub") }
