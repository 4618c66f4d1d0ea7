/** What a check of the doctor says, and how checks are run so that one that cannot be made does not hide the others. */

/** `problem`: something does not work, or will not for long; `warning`: somebody should look at it. */
export type Verdict = 'ok' | 'warning' | 'problem'

/** One thing that was looked at. */
export interface Diagnosis {
  /** What was looked at, in one or two words. */
  readonly check: string
  readonly verdict: Verdict
  /** How it is, and what to do where it is not well: a sentence. */
  readonly message: string
}

/** A look at something; it may find several things. */
export type Check = () => Promise<readonly Diagnosis[]>

/** Nothing is wrong. */
export function fine(check: string, message: string): Diagnosis {
  return { check, verdict: 'ok', message }
}

/** Somebody should look at it. */
export function warning(check: string, message: string): Diagnosis {
  return { check, verdict: 'warning', message }
}

/** Something does not work. */
export function problem(check: string, message: string): Diagnosis {
  return { check, verdict: 'problem', message }
}

/** Runs the checks one after the other. */
export async function runChecks(checks: Readonly<Record<string, Check>>): Promise<Diagnosis[]> {
  const found: Diagnosis[] = []
  for (const [name, check] of Object.entries(checks)) {
    try {
      found.push(...(await check()))
    } catch (error) {
      found.push(problem(name, `this could not be looked at: ${describe(error)}`))
    }
  }
  return found
}

/** The message, with those of what it came from. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = messageOf(error)
  const cause = error.cause === undefined ? own : describe(error.cause)
  return cause === own ? own : `${own} (${cause})`
}

/** A host of several addresses fails with an error for each, and none of its own. */
function messageOf(error: Error): string {
  return error.message === '' && error instanceof AggregateError ? error.errors.map(describe).join('; ') : error.message
}

/** `ENOENT`; undefined for any other error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
