/** Refusals of a server as sentences for people at a command line: no JSON, nothing twice, and options by the names that they have here. */
import type { ApiProblem } from '#api/client.ts'
import { printable } from './print.ts'

const advice: Readonly<Record<string, string>> = {
  UNAUTHORIZED: 'log in with berth login',
  PRECONDITION_FAILED: 'look at it again, then repeat the change',
  ELEVATION_REQUIRED:
    'at a terminal after berth login your password is asked for; a script gives it with BERTH_USER and BERTH_TOKEN, or a token whose scopes name the permission',
}

/** Some verbs need no server, and so no account there. */
const noAccounts = 'verbs that are given its configuration or its directory work there: berth garbage-collect <config-or-directory>'

/** What the verb was about. */
export interface Asked {
  readonly server: string
  /** The verb's options, such as `display-name`. */
  readonly options: readonly string[]
}

/** What, which parts, what to do, and the id by which it is found in the server's log. */
export function describeProblem(problem: ApiProblem, { server, options }: Asked): string {
  // The parts say it with their names here; else the detail is the particular sentence, and the title the general one of its code.
  const isOfParts = problem.errors.some(({ message }) => problem.detail?.includes(message))
  const first = withOptions((isOfParts ? undefined : problem.detail) ?? problem.title, options)
  const hint = hintOf(problem, server)
  const wait = problem.retryAfterSeconds === undefined ? undefined : `try again in ${problem.retryAfterSeconds} s`
  const parts = [first]
  for (const { path, message } of problem.errors) {
    const isSaid = parts.some((part) => part.includes(withOptions(message, options)) || part.includes(`${path} ${message}`))
    if (!isSaid) parts.push(`${partName(path, options)} ${withOptions(message, options)}`.trim())
  }
  const sentence = [...parts, hint, wait].filter((part) => part !== undefined).join('; ')
  const id = problem.requestId === undefined ? '' : `, request ${problem.requestId}`
  return printable(`${sentence} (${problem.code}${id})`)
}

/** What to do, or whom to ask for what. */
function hintOf({ code, facts }: ApiProblem, server: string): string | undefined {
  if (code === 'DENIED') return typeof facts['permission'] === 'string' ? `it needs ${facts['permission']}` : undefined
  if (code !== 'UNAUTHORIZED') return advice[code]
  return facts['reason'] === 'NO_ACCOUNTS' ? noAccounts : `${advice['UNAUTHORIZED']} ${server}`
}

/** `displayName` → display, name. */
function words(name: string): readonly string[] {
  return name
    .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(' ')
}

/** `body/expiresAt` → `--expires`, where the verb has that option; else the name of the part. */
function partName(path: string, options: readonly string[]): string {
  const [place = '', member = '', ...inner] = path.split('/')
  if (member === '') return place === 'body' || place === 'query' || place === 'path' ? '' : place
  const option = optionOf(member, options)
  return [option === undefined ? member : `--${option}`, ...inner].join('.')
}

function optionOf(member: string, options: readonly string[]): string | undefined {
  const all = words(member)
  const [first = '', ...rest] = all
  // `untaggedAfterDays` → untagged-after-days, untagged-after, untagged.
  const shorter = all.map((_, index) => all.slice(0, all.length - index).join('-'))
  const candidates = [...shorter.slice(0, 1), ...(first === 'is' ? [rest.join('-')] : []), ...shorter.slice(1)]
  return candidates.find((candidate) => options.includes(candidate))
}

/** `force=true` of the API is `--force` here, where the verb has that option. */
export function withOptions(text: string, options: readonly string[]): string {
  return text.replaceAll(/\b([a-z][A-Za-z]*)=true\b/g, (said, member: string) => {
    const option = optionOf(member, options)
    return option === undefined ? said : `--${option}`
  })
}
