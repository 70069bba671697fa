// terraform evaluates the files of a Terraform module as Terraform does before it asks a provider, and answers in JSON.
// The argument is the folder; stdin: {"variables": {NAME: VALUE}}, beside which the defaults count. Answer: {"locals":
// {NAME: VALUE}, "resources": {"TYPE.NAME": {ATTRIBUTE: VALUE}}}, without resources whose count is 0. What only a
// provider knows is null. A reference that leads nowhere, a wrong call or a variable that fails its validation is an
// error. What attributes a resource has is not checked: that takes the provider.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

type values = map[string]cty.Value

type answer struct {
	Locals    map[string]json.RawMessage            `json:"locals"`
	Resources map[string]map[string]json.RawMessage `json:"resources"`
}

func main() {
	var said struct {
		Variables map[string]json.RawMessage `json:"variables"`
	}
	err := json.NewDecoder(os.Stdin).Decode(&said)
	if err == nil {
		err = evaluate(os.Args[len(os.Args)-1], said.Variables)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func evaluate(folder string, given map[string]json.RawMessage) error {
	blocks, err := read(folder)
	if err != nil {
		return err
	}
	context := &hcl.EvalContext{Variables: values{}, Functions: map[string]function.Function{
		"contains": stdlib.ContainsFunc, "jsonencode": stdlib.JSONEncodeFunc, "merge": stdlib.MergeFunc,
	}}
	if err := variables(blocks, context, given); err != nil {
		return err
	}
	known := map[string]values{}
	for _, block := range blocks {
		if block.Type == "resource" {
			kind, name := block.Labels[0], block.Labels[1]
			if known[kind] == nil {
				known[kind] = values{}
			}
			known[kind][name] = cty.DynamicVal
		}
	}
	for kind, named := range known {
		context.Variables[kind] = cty.ObjectVal(named)
	}
	found := answer{map[string]json.RawMessage{}, map[string]map[string]json.RawMessage{}}
	if err := locals(blocks, context, found.Locals); err != nil {
		return err
	}
	for _, block := range blocks {
		if err := resource(block, context, found.Resources); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func read(folder string) ([]*hclsyntax.Block, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.tf"))
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s: no file *.tf", folder)
	}
	var blocks []*hclsyntax.Block
	parser := hclparse.NewParser()
	for _, path := range paths {
		file, problems := parser.ParseHCLFile(path)
		if problems.HasErrors() {
			return nil, problems
		}
		blocks = append(blocks, file.Body.(*hclsyntax.Body).Blocks...)
	}
	return blocks, err
}

// variables adds var to the context, and runs the validations.
func variables(blocks []*hclsyntax.Block, context *hcl.EvalContext, given map[string]json.RawMessage) error {
	found := values{}
	for _, block := range blocks {
		if block.Type != "variable" {
			continue
		}
		name := block.Labels[0]
		value, problems := block.Body.Attributes["default"].Expr.Value(nil)
		if problems.HasErrors() {
			return problems
		}
		if text, is := given[name]; is {
			kind, err := ctyjson.ImpliedType(text)
			if err != nil {
				return err
			}
			if value, err = ctyjson.Unmarshal(text, kind); err != nil {
				return err
			}
			delete(given, name)
		}
		found[name] = value
	}
	if len(given) > 0 {
		return fmt.Errorf("no such variable: %v", given)
	}
	context.Variables["var"] = cty.ObjectVal(found)
	for _, block := range blocks {
		for _, inner := range block.Body.Blocks {
			if block.Type != "variable" || inner.Type != "validation" {
				continue
			}
			if err := check(inner, context); err != nil {
				return err
			}
		}
	}
	return nil
}

// check evaluates a validation or precondition; its message is the error.
func check(block *hclsyntax.Block, context *hcl.EvalContext) error {
	holds, problems := block.Body.Attributes["condition"].Expr.Value(context)
	if problems.HasErrors() {
		return problems
	}
	if holds.False() {
		message, _ := block.Body.Attributes["error_message"].Expr.Value(nil)
		return fmt.Errorf("%s", message.AsString())
	}
	return nil
}

// locals adds local to the context. Each may refer to others, so they are tried until nothing new comes of it.
func locals(blocks []*hclsyntax.Block, context *hcl.EvalContext, told map[string]json.RawMessage) error {
	left := map[string]*hclsyntax.Attribute{}
	for _, block := range blocks {
		if block.Type == "locals" {
			for name, attribute := range block.Body.Attributes {
				left[name] = attribute
			}
		}
	}
	found := values{}
	context.Variables["local"] = cty.EmptyObjectVal
	for len(left) > 0 {
		var last hcl.Diagnostics
		before := len(left)
		for name, attribute := range left {
			value, problems := attribute.Expr.Value(context)
			if problems.HasErrors() {
				last = problems
				continue
			}
			text, err := encoded(value)
			if err != nil {
				return err
			}
			found[name], told[name] = value, text
			delete(left, name)
		}
		if len(left) == before {
			return last
		}
		context.Variables["local"] = cty.ObjectVal(found)
	}
	return nil
}

// resource checks the preconditions of a resource, and tells its attributes. An output is evaluated and not told.
func resource(block *hclsyntax.Block, context *hcl.EvalContext, told map[string]map[string]json.RawMessage) error {
	if block.Type != "resource" && block.Type != "output" {
		return nil
	}
	for _, lifecycle := range block.Body.Blocks {
		for _, inner := range lifecycle.Body.Blocks {
			if lifecycle.Type == "lifecycle" && inner.Type == "precondition" {
				if err := check(inner, context); err != nil {
					return err
				}
			}
		}
	}
	attributes := map[string]json.RawMessage{}
	for name, attribute := range block.Body.Attributes {
		value, problems := attribute.Expr.Value(context)
		if problems.HasErrors() {
			return problems
		}
		text, err := encoded(value)
		if err != nil {
			return err
		}
		attributes[name] = text
	}
	if block.Type == "resource" && string(attributes["count"]) != "0" {
		delete(attributes, "count")
		told[block.Labels[0]+"."+block.Labels[1]] = attributes
	}
	return nil
}

func encoded(value cty.Value) (json.RawMessage, error) {
	if !value.IsWhollyKnown() {
		return json.RawMessage("null"), nil
	}
	return ctyjson.Marshal(value, value.Type())
}
