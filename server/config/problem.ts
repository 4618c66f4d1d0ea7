/** What is wrong with a configuration, and the one error that carries all of it. */
export interface Problem {
  /** The key, dotted: `http.tls.certificate`, `health.http[0].uri`. Empty for the document as a whole. */
  readonly path: string
  /** What should stand there: "a duration such as 168h". */
  readonly expected: string
  /** What stands there; left out where the key is missing, masked where it is secret. */
  readonly found?: string
  /** Where: "line 12" of the file, or the name of a variable. */
  readonly origin?: string
  /** Why a key that is well-formed cannot be honoured; said instead of expected and found. */
  readonly why?: string
}

/** One line of text for a person: path, expected, found, place. */
export function formatProblem({ path, expected, found, origin, why }: Problem): string {
  const what = why ?? `expected ${expected}` + (found === undefined ? '' : `, found ${found}`)
  return [path === '' ? undefined : `${path}:`, what, origin === undefined ? undefined : `(${origin})`]
    .filter((part) => part !== undefined)
    .join(' ')
}

/** The configuration cannot be started with. Its message names every problem, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly Problem[]
  /** What is only odd about it. */
  readonly warnings: readonly string[]

  constructor(problems: readonly Problem[], warnings: readonly string[] = []) {
    super(problems.map(formatProblem).join('\n'))
    this.problems = problems
    this.warnings = warnings
  }
}
