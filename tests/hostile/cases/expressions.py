"""Expressions and names of activations and initializers: long, deep, full of kinks, or something else altogether."""

from hostile.case import Case

_SMALL = ("--depth", "2", "--width", "3", "--batch", "3")
_ENDS = frozenset({0, 2, 3})


def _nested(before, after, times, inner="x"):
    return before * times + inner + after * times


REFUSED = (
    "()", "(", ")", "x(", "x)", "(x", "x+", "*x", "x**", "x//2", "x % 2", "x @ x", "x^2", "~x", "not x", "x and x",
    "x if x > 0 else 0", "lambda x: x", "(lambda: x)()", "[x]", "(x,)", "{x}", "[x for x in x]", "f'{x}'", "'x'*2",
    "b'x'", "x:=2", "(x:=x*2)", "x;x*2", "x\nx*2", "x*2#", "x*2 # note", "x*2\\", "x.real*2", "x[0]*2", "*x", "**x",
    "await x*2", "(yield x)", "...*x", "None*x", "True*x", "x*1j", "x is x", "x in x", "x*'2'", "__import__('os')",
    "().__class__*x", "x.__class__(2)", "tanh.__call__(x)", "eval('x')*x", "exec(x)", "open(x)", "print(x)",
    "numpy.tanh(x)", "np.tanh(x)", "math.tanh(x)", "tanh(x)(x)", "tanh()", "tanh(x, x)", "tanh(x=x)", "tanh(*x)",
    "tanh(**x)", "where(x > 0)", "where(x > 0, x)", "where(x > 0, x, 0, 1)", "maximum(x)",
    "elu(x, alpha=x)", "elu(x, alpha=1, alpha=1)", "elu(x, beta=1)", "elu(x, alpha=-1)", "elu(x, 1)", "maxout(x)*2",
    "softmax(x)*2", "prelu(x, a=1e400)", "y*x", "X*2", "\u0445*2", "x\u00b7x", "x\u22121", "\uff58*2", "x*\u0663",
    "\u202ex*2", "x*\x00", "x*\x1b[31m", "x *\u00a02", "2*3", "pi", "e*1", "(1)", "0*x+1-1*0", "x-x", "x/x", "0*x",
    "1/x", "x/0", "x/(1-1)", "1/(x-1)", "log(x)", "log(x*x)", "sqrt(x)", "x**0.5", "x**-1", "x**x", "x**1000",
    "2**x**x**x", "exp(exp(exp(x)))*x", "1e308*x*10", "exp(exp(x*x))", "exp(1000*x)", "9"*400 + "*x", "1e999*x",
    "x/1e-320/1e-320",
    "10**10**10*x", "2**64**2*x", "where(x > 0, 1, 0)", "(x > 0)*1", "x > 0", "1 < x < 2", "x == x", "(x > 0) & x",
    "floor(x)", "round(x)", "x*(x > 0.5)", "where(x > 1, x, 0)", "abs(1/x)", "sin(1/x)", "x*log(abs(x))/0",
    "import os", "x = 2*x", "return x*x", "x->2*x", "$x*2", "`x`*2", "x*2!", "@x*2", "x?2:3", "\"*x", "'*x", "\\x*2",
)  # fmt: skip
"""What is no expression, none that is accepted, or none that a stack can use."""

ALLOWED = (
    "x", " x ", "where(x, x, 0)", "x*1", "+x", "-x", "--x", "x*x", "abs(x)", "x*2/3", "maximum(x, 0)",
    "minimum(x, 1e308)", "x*1e-320",
    "x**2", "x**64", "x**-0", "(x > 0)*x", "where(x > 0, x, 0.1*x)", "where((x > 0) & (x < 1), x*(1-x), 0*x)",
    "0 + x*(-1 < x < 1)*(1 - x*x)", "relu(x)*2", "elu(x, alpha=2)*1", "leaky_relu(x)*1", "log(exp(x) + 1)*1",
    "exp(x)*1", "sin(x*1000)", "abs(sin(x))", "abs(sin(20*x))", "maximum(x, -x)", "x*sigmoid(1.7*x)",
    "sin(sin(sin(x)))",
    "x + 0*1e300", "x*1.0000000000000000000000000000000000000000000001", "tanh(x)/1", "erf(x)*1", "(((x)))", "x*e**-1",
)  # fmt: skip


def _grown():
    """Yield expressions of growing length, depth and number of kinks; somewhere they are refused."""
    for times in (10, 49, 99, 100, 101, 199, 300, 1000, 5000, 50_000):
        yield _nested("(", ")", times)
        yield _nested("sin(", ")", times)
        yield _nested("abs(1-", ")", times)
        yield _nested("-", "", times)
        yield "x" + "+x" * times
        yield "x" + "*x" * times
        yield "x" + "**1" * min(times, 300)
        yield "1" + "<x" * times
        yield "x*" + "9" * times
        yield "x+0." + "0" * times + "1"
        yield " " * times + "x*x"
        yield "x" * times + "*x"
        yield "where(x > 0, " * times + "x" + ", 0*x)" * times


def _bent():
    """Yield expressions that bend at more and more places."""
    for times in (10, 49, 99, 199):
        yield "+".join(f"abs(x-{number})" for number in range(times))
    for waves in (1, 10, 100, 1000, 10_000, 1e6, 1e300):
        yield f"abs(sin({waves:g}*x))"
        yield f"maximum(sin({waves:g}*x), cos({waves:g}*x))"


NAMES = (
    "", " ", ",", "relu,", ",relu", "relu,relu", "RELU", "Relu ", "rellu", "relu:", "relu:1:2:3:4", "relu:max_value=",
    "relu:=1", "relu:max_value=1:max_value=2", "relu:nothing=1", "relu=1", "relu relu", "no.such:thing", "no:such", ":",
    "::", "a:", ":f", "a.:f", ".a:f", "a..b:f", "a:f:g", "a:f.", "1a:f", "os:system", "os:getcwd",
    "sys:exit", "os.path:join",
    "builtins:eval", "builtins:exit", "builtins:abs", "numpy:tanh", "numpy:nan", "math:inf", "__main__:f",
    "__future__:division", "actdiag:propagate", "actdiag.cli.command:run", "threading:Thread",
    "time:time", "random:random", "types:FunctionType", "functools:partial", "-",
    "--", "/", "../..", ".", "~", "*", "relu;rm", "$(id)", "%s", "{}", "\\", "\x00", "\n", "\x1b[31mrelu", "\u202erelu",
    "\u0440elu", "r" * 1001, "r" * 100_000, "a" * 5000 + ":f", "a." * 400 + "b:f", "a:" + "f." * 400 + "g", "x" * 1001,
    "\xe9", "\ud800",
)  # fmt: skip
"""Names of activations and initializers that are none."""


def cases():
    """Yield the cases."""
    for text in REFUSED:
        yield Case(f"refused {text!r:.40}", ("propagate", *_SMALL, "--act", text), said="Error: --act ")
    for text in ALLOWED:
        yield Case(f"allowed {text!r:.40}", ("activations", "--", text), _ENDS)
        for command in (("propagate", *_SMALL, "--act"), ("grad-flow", *_SMALL, "--act"), ("gain", "--")):
            yield Case(f"allowed {text!r:.40}", (*command, text), _ENDS, slow=True)
    for text in _grown():
        slow = len(text) > 1000 or text.count("x") > 40 or text.count("(") > 40
        yield Case(f"grown {text!r:.20}", ("propagate", *_SMALL, "--act", text), _ENDS, "Error: --act ", slow=slow)
    for text in _bent():
        arguments = ("propagate", *_SMALL, "--no-theory", "--act", text)
        yield Case(f"bent {text!r:.30}", arguments, _ENDS, "Error: --act ", slow=True)
    for text in NAMES:
        yield Case(f"name {text!r:.40}", ("propagate", *_SMALL, "--act", text), _ENDS, "Error: --act ")
        yield Case(f"name {text!r:.40}", ("propagate", *_SMALL, "--init", text), said="Error: --init ")
        yield Case(
            f"name {text!r:.40}", ("compare", *_SMALL, "--act", f"relu,{text}"), _ENDS, "Error: --act ", slow=True
        )
        yield Case(f"name {text!r:.40}", ("gain", "--", text), _ENDS, "Error: ACT", slow=True)
        yield Case(f"name {text!r:.40}", ("explain", "--", text), _ENDS, "Error: RULE")
        for command in ("activations", "initializers"):
            yield Case(f"name {text!r:.40}", (command, "--", text), _ENDS, "Error: NAME")
