/** A route of the contract together with what answers it. */
import type { Readable } from 'node:stream'
import type { ProjectFacts } from '#access/decide.ts'
import type { Principal } from '#access/principal.ts'
import type { BodyOf, ParamsOf, QueryOf, ResponseOf, RouteContract } from '#api/contract.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { Exchange, HttpParts } from '#http/exchange.ts'
import type { PagePlace, PageWanted } from './pages.ts'

/** Who did it, as events record it. */
export interface Caller {
  readonly actor: string
  readonly requestId: string
  readonly actorKey: string
  readonly credential: string
  readonly address: string
  readonly userAgent: string
}

/** A call whose parts fit the contract, of somebody who may make it. */
export interface ApiCall<Route extends RouteContract> {
  readonly parts: HttpParts
  readonly exchange: Exchange
  readonly principal: Principal
  readonly who: Caller
  readonly params: ParamsOf<Route>
  readonly query: QueryOf<Route>
  readonly body: BodyOf<Route>
  /** The project that the demand is about: of the path, or the one that the repository belongs to. */
  readonly project: ProjectFacts
  /** The repository that the demand is about, by its present name. */
  readonly repository: RepositoryName
  /** What `limit`, `cursor` and `sort` ask for. */
  readonly page: PageWanted
  /** The version (or digest, as the contract's `hasEtag` says) that If-Match names; undefined without one, or with `*`. */
  readonly ifMatch: (Route extends { readonly hasEtag: 'digest' } ? string : number) | undefined
}

/** What a handler answers; nothing for 204. */
export interface ApiAnswer<Route extends RouteContract> {
  readonly body: ResponseOf<Route>
  /** Becomes the ETag. */
  readonly version?: number | string
  /** Below `/api/v1`, encoded. */
  readonly location?: string
  /** Names in any case. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** Sent instead of `body`, with the Content-Type that `headers` name; for a contract that `produces` it. */
  readonly stream?: Readable
  /** Replaces the contract's status: a redirect. */
  readonly status?: number
}

/** A page of rows as an answer's body, with the cursor of the page after it. */
export interface PageBody<Item> {
  readonly items: readonly Item[]
  readonly next?: PagePlace | undefined
}

type Answer = Omit<ApiAnswer<RouteContract>, 'body'> & { readonly body?: unknown }

/** What the app registers. */
export interface ServedRoute {
  readonly contract: RouteContract
  readonly handle: (call: ApiCall<RouteContract>) => Promise<Answer | undefined>
}

/** Binds a handler to its contract. */
export function serve<Route extends RouteContract>(
  contract: Route,
  handler: (call: ApiCall<Route>) => Promise<ApiAnswer<Route> | undefined | void>,
): ServedRoute {
  // The app has validated params, query and body against this very contract.
  return { contract, handle: handler as unknown as ServedRoute['handle'] }
}
