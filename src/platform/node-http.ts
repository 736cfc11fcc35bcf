/**
 * What we use of `node:http`, as `require` gives it. An `import` of it reads every export once, `WebSocket` among them,
 * which loads the whole client behind `fetch`: some 35 ms of a start, in each thread.
 */
export const { Agent, createServer, STATUS_CODES } = process.getBuiltinModule('node:http');
