/**
 * The typed client of the management API, for the command line and the portal: `await client.call(listUsers, { query: { limit: 10 } })`.
 *
 * What a call takes and gives is worked out from the route's schemas by the compiler alone. At run time only a route's `method` and `path` are read,
 * so a caller that must not carry a schema library (a browser) passes `{ method: 'GET', path: '/users' } as typeof listUsers`, with `listUsers`
 * imported as a type. It does nothing but `fetch`; everything that is no success is thrown as an {@link ApiProblem}.
 */
import type { BodyOf, ParamsOf, QueryOf, ResponseOf, RouteContract } from './contract.ts'

/** How the caller proves who they are. `none`: not at all, or by the cookie that a browser adds by itself. */
export type ClientCredential =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly name: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }

/** Where the server is, and as whom it is asked. */
export interface ClientOptions {
  /** `https://registry.example.com`, with or without a slash at its end; empty in a browser: the page's own server. */
  readonly baseUrl: string
  readonly credential?: ClientCredential | undefined
  /** In place of the global one: other certificates, a proxy, a test. */
  readonly fetch?: typeof fetch | undefined
  /** Names the program to the server's log. */
  readonly userAgent?: string | undefined
}

type Part<Name extends string, Value> =
  // Nothing is required of what may be empty.
  Record<never, never> extends Value ? { readonly [Key in Name]?: Value } : { readonly [Key in Name]: Value }

/** What a call of the route takes: `params`, `query` and `body` by its schemas, absent where it has none. */
export type CallInput<Route extends RouteContract> = Part<'params', ParamsOf<Route>> &
  Part<'query', QueryOf<Route>> &
  (Route['body'] extends object ? { readonly body: BodyOf<Route> } : { readonly body?: undefined }) &
  (Route['consumes'] extends readonly string[] ? { readonly content: CallContent } : { readonly content?: undefined }) & {
    /** The ETag, or the version, that a change was worked out from; the change is refused when there is a later one. */
    readonly ifMatch?: string | number | undefined
    readonly signal?: AbortSignal | undefined
  }

/** A body that is no JSON. A Blob says its length, which a stream cannot. */
export interface CallContent {
  /** One of those that the route consumes. */
  readonly type: string
  readonly body: Blob | ReadableStream<Uint8Array>
}

/** The input is left out where all of it may be absent. */
export type CallArguments<Route extends RouteContract> =
  Record<never, never> extends CallInput<Route> ? [input?: CallInput<Route>] : [input: CallInput<Route>]

/** An answer with what stands beside its body. */
export interface ApiReply<Route extends RouteContract> {
  readonly status: number
  readonly body: ResponseOf<Route>
  /** For `ifMatch`. */
  readonly etag: string | undefined
  /** Of what was made. */
  readonly location: string | undefined
}

/** Calls routes of one server as one caller. */
export interface ApiClient {
  /** The answer's body; undefined where the route has none. */
  call<Route extends RouteContract>(route: Route, ...input: CallArguments<Route>): Promise<ResponseOf<Route>>
  /** As `call`, with ETag and Location. */
  send<Route extends RouteContract>(route: Route, ...input: CallArguments<Route>): Promise<ApiReply<Route>>
  /** The answer's bytes as they come, of a route that streams. */
  stream<Route extends RouteContract>(route: Route, ...input: CallArguments<Route>): Promise<ReadableStream<Uint8Array>>
  /** The pages of a list one after the other, from the query's cursor to the last. */
  pages<Route extends RouteContract>(route: Route, ...input: CallArguments<Route>): AsyncGenerator<ResponseOf<Route>, void, void>
}

/** What the server refused, or what came in place of an answer. Its message is all that there is to say, once: see {@link sentenceOf}. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'
  /** 0 when a browser hides it. */
  readonly status: number
  /** Of the server's error table; `UNEXPECTED_ANSWER` when it was no answer of Berth's. */
  readonly code: string
  /** What the code means, the same words each time. */
  readonly title: string
  /** What is the matter with this request. */
  readonly detail: string | undefined
  /** By which an operator finds the request in the log. */
  readonly requestId: string | undefined
  readonly retryAfterSeconds: number | undefined
  /** What the sentence speaks of, for programs; empty where nothing is said. */
  readonly facts: Readonly<Record<string, unknown>>
  /** What is wrong with which part of the request. */
  readonly errors: readonly { readonly path: string; readonly message: string }[]

  constructor(problem: {
    readonly status: number
    readonly code: string
    readonly title: string
    readonly detail?: string | undefined
    readonly requestId?: string | undefined
    readonly retryAfterSeconds?: number | undefined
    readonly facts?: Readonly<Record<string, unknown>> | undefined
    readonly errors?: readonly { readonly path: string; readonly message: string }[] | undefined
  }) {
    super(sentenceOf(problem))
    this.status = problem.status
    this.code = problem.code
    this.title = problem.title
    this.detail = problem.detail
    this.requestId = problem.requestId
    this.retryAfterSeconds = problem.retryAfterSeconds
    this.facts = problem.facts ?? {}
    this.errors = problem.errors ?? []
  }
}

/** The detail, or the title where there is none, and the parts that neither has told of. */
function sentenceOf({
  title,
  detail,
  errors = [],
}: Pick<ApiProblem, 'title'> & {
  readonly detail?: string | undefined
  readonly errors?: ApiProblem['errors'] | undefined
}): string {
  const said = detail ?? title
  // Who says how many more there are has said enough.
  const parts = /; and \d+ more$/.test(said) ? [] : errors.filter(({ message }) => !said.includes(message))
  return [said, ...parts.map(({ path, message }) => `${path.replace(/^body\//, '')}: ${message}`)].join('; ')
}

const apiPrefix = '/api/v1'

/** A client for the server at `options.baseUrl`. It keeps nothing between calls. */
export function createClient(options: ClientOptions): ApiClient {
  const base = `${options.baseUrl.replace(/\/+$/, '')}${apiPrefix}`
  const ask = async (route: RouteContract, call: LooseInput): Promise<Response> => {
    const request = options.fetch ?? fetch
    return await request(`${base}${fillPath(route.path, call.params)}${queryText(call.query)}`, {
      method: route.method,
      headers: headersOf(options, call),
      // A redirect is followed by nobody: it would carry a change, or a secret, to where the caller did not mean it to go.
      redirect: 'manual',
      ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
      // A stream is sent only by who says that the answer may come before its end.
      ...(call.content !== undefined && { body: call.content.body, duplex: 'half' }),
      ...(call.signal !== undefined && { signal: call.signal }),
    })
  }
  const send = async <Route extends RouteContract>(route: Route, ...[input]: CallArguments<Route>): Promise<ApiReply<Route>> => {
    const response = await ask(route, (input ?? {}) as LooseInput)
    const body = await readAnswer(response)
    return {
      status: response.status,
      body: body as ResponseOf<Route>,
      etag: response.headers.get('etag') ?? undefined,
      location: response.headers.get('location') ?? undefined,
    }
  }
  return {
    send,
    call: async (route, ...input) => (await send(route, ...input)).body,
    async stream(route, ...[input]) {
      const response = await ask(route, (input ?? {}) as LooseInput)
      if (!response.ok || response.body === null) {
        await readAnswer(response)
        throw unexpected(response, 'the answer has no body')
      }
      return response.body
    },
    async *pages<Route extends RouteContract>(route: Route, ...[input]: CallArguments<Route>) {
      for (let query = (input as LooseInput | undefined)?.query; ;) {
        const { body } = await send(route, ...([{ ...input, query }] as unknown as CallArguments<Route>))
        yield body
        const { next } = body as { readonly next?: string }
        if (next === undefined) return
        query = { ...query, cursor: next }
      }
    },
  }
}

/** An input whose route is forgotten. */
interface LooseInput {
  readonly params?: Readonly<Record<string, unknown>>
  readonly query?: Readonly<Record<string, unknown>> | undefined
  readonly body?: unknown
  readonly content?: CallContent
  readonly ifMatch?: string | number
  readonly signal?: AbortSignal
}

/** Puts the parameters into the path. A name with slashes stays one part of it. */
function fillPath(path: string, params: LooseInput['params']): string {
  return path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => {
    const value = params?.[name]
    if (value === undefined || value === '') throw new Error(`${path} needs ${name}`)
    // In a URL these are steps in the path however they are encoded: nothing can be asked for under such a name.
    if (value === '.' || value === '..') throw new Error(`${name} cannot be ${value}`)
    return encodeURIComponent(value as string | number)
  })
}

/** Lists are repeated; what is undefined is left out. */
function queryText(query: LooseInput['query']): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined) search.append(name, String(each))
  }
  const text = search.toString()
  return text === '' ? '' : `?${text}`
}

function headersOf({ credential, userAgent }: ClientOptions, { body, content, ifMatch }: LooseInput): Record<string, string> {
  const authorization = credential && authorizationOf(credential)
  return {
    accept: 'application/json, application/problem+json',
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(content !== undefined && { 'content-type': content.type }),
    ...(authorization !== undefined && { authorization }),
    ...(ifMatch !== undefined && { 'if-match': typeof ifMatch === 'number' ? `"${ifMatch}"` : ifMatch }),
    ...(userAgent !== undefined && { 'user-agent': userAgent }),
  }
}

function authorizationOf(credential: ClientCredential): string | undefined {
  if (credential.kind === 'none') return undefined
  if (credential.kind === 'bearer') return `Bearer ${credential.token}`
  // RFC 7617 §2.1: UTF-8, which `btoa` takes byte by byte.
  const bytes = new TextEncoder().encode(`${credential.name}:${credential.password}`)
  return `Basic ${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))}`
}

/** The value of a success; undefined for one without a body. */
async function readAnswer(response: Response): Promise<unknown> {
  if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) throw redirected(response)
  const text = await response.text()
  const value = isJson(response) ? parsed(text) : undefined
  if (!response.ok) throw problemOf(response, value)
  if (response.status === 204 || text === '') return undefined
  if (value === undefined) throw unexpected(response, 'what answers is no Berth, or a proxy in front of it: the answer is not JSON')
  return value
}

function isJson(response: Response): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function redirected(response: Response): ApiProblem {
  const location = response.headers.get('location')
  return unexpected(response, `the server sends elsewhere${location === null ? '' : `, to ${location}`}: use that address`)
}

function unexpected(response: Response, detail: string): ApiProblem {
  const { status } = response
  return new ApiProblem({
    status,
    code: 'UNEXPECTED_ANSWER',
    title: 'unexpected answer',
    detail: `unexpected answer ${status}: ${detail}`,
    ...idOf(response),
  })
}

function idOf(response: Response): { readonly requestId?: string } {
  const requestId = response.headers.get('x-request-id')
  return requestId === null ? {} : { requestId }
}

/** The server's own words where it is Berth that answered; the two error forms that it has are both read. */
function problemOf(response: Response, value: unknown): ApiProblem {
  const body = (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>
  const [first] = Array.isArray(body.errors) ? (body.errors as readonly unknown[]) : []
  const registryError = (first ?? {}) as Readonly<Record<string, unknown>>
  const code = textOf(body.code) ?? textOf(registryError.code)
  const title = textOf(body.title) ?? textOf(registryError.message)
  if (code === undefined || title === undefined)
    return unexpected(response, 'the answer is no problem of Berth: see what stands in between')
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new ApiProblem({
    status: response.status,
    code,
    title,
    detail: textOf(body.detail),
    ...idOf(response),
    ...(typeof body.requestId === 'string' && { requestId: body.requestId }),
    ...(Number.isFinite(retryAfter) && { retryAfterSeconds: retryAfter }),
    facts: factsOf(body.facts),
    errors: fieldErrors(body.errors),
  })
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function factsOf(value: unknown): ApiProblem['facts'] | undefined {
  return typeof value === 'object' && value !== null ? (value as ApiProblem['facts']) : undefined
}

function fieldErrors(value: unknown): { readonly path: string; readonly message: string }[] {
  if (!Array.isArray(value)) return []
  return (value as readonly unknown[]).flatMap((each) => {
    const { path, message } = (each ?? {}) as Readonly<Record<string, unknown>>
    return typeof path === 'string' && typeof message === 'string' ? [{ path, message }] : []
  })
}
