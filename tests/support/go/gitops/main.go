// gitops asks the libraries of the GitOps controllers what they make of the status of objects, and answers in JSON.
// stdin: {"objects": [...], "expressions": ..., "script": ...}. Answer: for each object, a status and its message. The
// first argument says who is asked:
//
//	kstatus  kstatus, which Flux uses if it is told nothing of a kind, and so does helm --wait
//	flux     the evaluator of Flux for healthCheckExprs, with these expressions
//	argocd   gopher-lua with the libraries that Argo CD opens for a health check, and this script
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
)

type question struct {
	Objects     []json.RawMessage                `json:"objects"`
	Expressions kustomize.HealthCheckExpressions `json:"expressions"`
	Script      string                           `json:"script"`
}

type answer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type asked func(*unstructured.Unstructured) (answer, error)

func main() {
	var said question
	err := json.NewDecoder(os.Stdin).Decode(&said)
	var ask asked
	if err == nil {
		ask, err = who(os.Args[len(os.Args)-1], said)
	}
	answers := []answer{}
	for _, text := range said.Objects {
		object := &unstructured.Unstructured{}
		if err == nil {
			err = object.UnmarshalJSON(text)
		}
		if err == nil {
			found, failed := ask(object)
			if failed != nil {
				// What a controller does with it: the health of the object is not known.
				found = answer{"Unknown", failed.Error()}
			}
			answers = append(answers, found)
		}
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answers)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func who(name string, said question) (asked, error) {
	switch name {
	case "kstatus":
		return func(object *unstructured.Unstructured) (answer, error) { return of(status.Compute(object)) }, nil
	case "flux":
		evaluator, err := cel.NewStatusEvaluator(&said.Expressions)
		return func(object *unstructured.Unstructured) (answer, error) {
			return of(evaluator.Evaluate(context.Background(), object))
		}, err
	case "argocd":
		return func(object *unstructured.Unstructured) (answer, error) { return health(object, said.Script) }, nil
	}
	return nil, fmt.Errorf("usage: gitops kstatus|flux|argocd")
}

func of(result *status.Result, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return answer{string(result.Status), result.Message}, nil
}

// health runs the script in a state as Argo CD's util/lua makes it: without string, math, io, debug.
// https://github.com/argoproj/argo-cd/blob/v3.5.7/util/lua/lua.go
func health(object *unstructured.Unstructured, script string) (answer, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		call := lua.P{Fn: state.NewFunction(library.open), Protect: true}
		if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
			return answer{}, err
		}
	}
	text, err := object.MarshalJSON()
	if err != nil {
		return answer{}, err
	}
	value, err := luajson.Decode(state, text)
	if err != nil {
		return answer{}, err
	}
	state.SetGlobal("obj", value)
	if err := state.DoString(script); err != nil {
		return answer{}, err
	}
	encoded, err := luajson.Encode(state.Get(-1))
	if err != nil {
		return answer{}, err
	}
	var found answer
	return found, json.Unmarshal(encoded, &found)
}
