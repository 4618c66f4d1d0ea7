/**
 * What a script is told: an exit status for each class of failure, and with `--json` the failure as JSON on standard error.
 *
 * The sentence is for people and its words may change; the status and the code stay. To tell one more class apart, add it to `statuses` and to `statusOf`:
 * docs/reference/cli.md shows the table.
 */
import { CommanderError } from 'commander'
import { ApiProblem } from '#api/client.ts'
import { RegistryError } from '#oci/errors.ts'
import { saysReadOnly } from '#oci/read-only.ts'
import { NothingThere, NotLetIn, Unreachable, WrongUsage } from './command-failure.ts'
import { describeFailure } from './failure.ts'

type FailureClass = 'failed' | 'usage' | 'refused' | 'unknown' | 'conflict' | 'unavailable'

const statuses: Readonly<Record<FailureClass, readonly [status: number, meaning: string]>> = {
  failed: [1, 'it failed, or a check has found something'],
  usage: [
    2,
    'there is no such verb or option, or an argument is missing, malformed, or goes with what is not there (a role, say), or --yes is missing where nobody is there to ask: nothing was done',
  ],
  refused: [3, 'the server does not let you: no credential, a wrong one, no right, or a fresh proof of who you are is needed'],
  unknown: [4, 'there is no such thing, or you may not see it'],
  conflict: [
    5,
    'something stands in the way: the name is taken, it was changed in between, a server runs on the data, or a database is not empty',
  ],
  unavailable: [6, 'the server cannot be reached, or cannot do it now (it is read-only, say): try again later'],
}

/** Rows for the documentation: status and meaning, 0 first. */
export const exitStatuses: readonly (readonly [status: number, meaning: string])[] = [[0, 'all went well'], ...Object.values(statuses)]

const byHttpStatus: Readonly<Record<number, FailureClass>> = {
  400: 'usage',
  401: 'refused',
  403: 'refused',
  404: 'unknown',
  409: 'conflict',
  412: 'conflict',
  429: 'unavailable',
  503: 'unavailable',
}

function classOf(error: unknown): FailureClass {
  if (error instanceof CommanderError || error instanceof WrongUsage) return 'usage'
  if (error instanceof Unreachable) return 'unavailable'
  if (error instanceof NothingThere) return 'unknown'
  if (error instanceof NotLetIn) return 'refused'
  return classOfRefusal(error) ?? 'failed'
}

function classOfRefusal(error: unknown): FailureClass | undefined {
  const problem = problemOf(error)
  const refusal = problem === undefined ? refusalOf(error) : { status: problem.status, detail: problem.facts }
  if (refusal === undefined) return undefined
  return saysReadOnly(refusal.detail) ? 'unavailable' : byHttpStatus[refusal.status]
}

/** What the server refused, behind the sentence for people. */
function problemOf(error: unknown): ApiProblem | undefined {
  const at: unknown = error instanceof ApiProblem || !(error instanceof Error) ? error : error.cause
  return at instanceof ApiProblem ? at : undefined
}

/** The same of a command on data, which no server is in between of. */
function refusalOf(error: unknown): RegistryError | undefined {
  const at: unknown = error instanceof RegistryError || !(error instanceof Error) ? error : error.cause
  return at instanceof RegistryError ? at : undefined
}

/** Help and the version that were asked for are no failures: 0. */
export function exitStatusOf(error: unknown): number {
  return error instanceof CommanderError && error.exitCode === 0 ? 0 : statuses[classOf(error)][0]
}

/** One line: `code` is the server's, or the class in capitals where the server said nothing. */
export function failureAsJson(error: unknown): string {
  const problem = problemOf(error)
  const message = describeFailure(error).replace(/^berth: (?:error: )?/, '')
  if (problem === undefined) return JSON.stringify({ code: classOf(error).toUpperCase(), message, exitStatus: exitStatusOf(error) })
  const { code, status, detail, requestId, retryAfterSeconds, errors, facts } = problem
  return JSON.stringify({
    code,
    message,
    status,
    detail,
    requestId,
    retryAfterSeconds,
    ...(errors.length > 0 && { errors }),
    ...(Object.keys(facts).length > 0 && { facts }),
    exitStatus: exitStatusOf(error),
  })
}
