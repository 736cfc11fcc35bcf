/** Where a command writes: the part of a stream that the commands use. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** What a command knows of the world around it. */
export interface Io {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C: waits end, live areas are left as they are. */
  readonly signal: AbortSignal;
  /**
   * Called by a command that serves traffic, or whose exit code is a verdict: from then on a lost reader of stdout must
   * not end the process.
   */
  serving(): void;
}
