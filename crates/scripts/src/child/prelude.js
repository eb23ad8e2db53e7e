// What a script finds when it starts. Evaluated once, before the script exists, with `native` from
// child/engine.rs; every built-in that is used later is taken here, so that a script which replaces
// one of them changes its own view alone.
(function (native) {
  'use strict';
  const { apply } = Reflect;
  const { parse, stringify } = JSON;
  const { create, freeze, defineProperty } = Object;
  const { slice, toWellFormed } = String.prototype;
  const text = String, Failure = Error, OutOfBounds = RangeError, Internal = InternalError;

  const cut = (value, most) => {
    const short = value.length > most ? apply(slice, value, [0, most]) : value;
    return apply(toWellFormed, short, []);
  };

  const isError = (value) => {
    try { return value instanceof Failure; } catch { return false; }
  };

  const show = (value) => {
    if (typeof value === 'string') return value;
    if (typeof value === 'object' && value !== null && !isError(value)) {
      try {
        const json = stringify(value);
        if (typeof json === 'string') return json;
      } catch { /* cyclic, or a getter that throws */ }
    }
    try { return text(value); } catch { return '[cannot be shown]'; }
  };

  const log = (level) => (...values) => {
    if (!native.logsLeft()) return;
    let line = '';
    for (let i = 0; i < values.length && line.length <= native.logBytes; i++) {
      line += (i ? ' ' : '') + cut(show(values[i]), native.logBytes + 1);
    }
    native.log(level, cut(line, native.logBytes + 1));
  };

  const call = (module, name) => (...values) => {
    const json = stringify(values);
    if (json.length > native.callBytes) {
      throw new OutOfBounds(`${module}.${name}: the arguments are longer than ${native.callBytes} bytes`);
    }
    const answer = native.call(module, name, cut(json, native.callBytes));
    // The first character says whether it is a value or a message.
    const rest = apply(slice, answer, [1]);
    if (answer[0] === '-') throw new Failure(rest);
    return parse(rest);
  };

  const modules = create(null);
  modules.logger = freeze({
    trace: log('trace'), debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error'),
  });
  const declared = parse(native.modules);
  for (let i = 0; i < declared.length; i++) {
    const { name, functions } = declared[i];
    const module = {};
    for (let k = 0; k < functions.length; k++) {
      defineProperty(module, functions[k], { value: call(name, functions[k]), enumerable: true });
    }
    modules[name] = freeze(module);
  }

  const require = (name) => {
    const key = text(name);
    if (!(key in modules)) throw new Failure(native.noModule(cut(key, 100)));
    return modules[key];
  };

  const put = (name, value) => defineProperty(globalThis, name, {
    value, writable: true, configurable: true, enumerable: false,
  });
  put('require', require);
  put('console', {
    log: log('info'), info: log('info'), debug: log('debug'), warn: log('warn'), error: log('error'),
    trace: log('trace'),
  });
  // They wait for other threads, and there are none.
  delete globalThis.SharedArrayBuffer;
  delete globalThis.Atomics;

  const settings = (json) => {
    const globals = parse(json);
    for (const name in globals) put(name, globals[name]);
    const given = globals.script;
    const script = typeof given === 'object' && given !== null ? given : {};
    const own = (name, value) => defineProperty(script, name, { value, enumerable: false });
    own('exit', (value) => {
      native.exit(result(value));
      // The engine stops at its next look at the clock; no `catch` and no `finally` is run.
      for (;;) ;
    });
    own('getElapsedTime', () => native.elapsed());
    own('getTimeLeft', () => native.timeLeft());
    own('getMemoryUsed', () => native.memory());
    own('getOpsUsed', () => native.ops());
    own('getCalloutsRemaining', (module) => native.callsLeft(module === undefined ? 'http' : cut(text(module), 100)));
    put('script', script);
  };

  // A result as JSON, '' for none; or a word that says what is wrong with it, after a '-'.
  const result = (value) => {
    if (value === undefined) return '';
    let json;
    try { json = stringify(value); } catch (error) {
      const { kind, message } = summary(error);
      if (kind !== 'exception') throw error;
      return '-the result is not JSON: ' + message;
    }
    if (json === undefined) return '-the result is not JSON: it is a ' + typeof value;
    if (json.length > native.resultBytes) return `-the result is longer than ${native.resultBytes} bytes`;
    return '+' + cut(json, native.resultBytes);
  };

  // What was thrown: its kind, its message and its stack, as far as they can be had.
  const summary = (value) => {
    const found = { kind: 'exception', message: '', stack: '' };
    if (isError(value)) {
      let name = 'Error', message = '';
      try { name = text(value.name); } catch { /* as it is */ }
      try { message = text(value.message); } catch { message = '[cannot be shown]'; }
      try { if (typeof value.stack === 'string') found.stack = cut(value.stack, 4096); } catch { /* none */ }
      try {
        if (value instanceof Internal && apply(slice, message, [0, 13]) === 'out of memory') found.kind = 'memory';
      } catch { /* a proxy */ }
      if (message === 'Maximum call stack size exceeded') found.kind = 'stack';
      found.message = message === '' ? name : cut(name, 100) + ': ' + cut(message, native.messageBytes);
    } else {
      found.message = 'thrown: ' + cut(show(value), native.messageBytes);
    }
    found.message = cut(found.message, native.messageBytes);
    return found;
  };

  return { require, settings, result, summary };
})
