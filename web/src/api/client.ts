/** The way to /api/v1: one client, one cache, and a query or a change for any route of the contract. */
import { createClient, ApiProblem, type CallArguments } from '#api/client.ts'
import type { QueryOf, ResponseOf, RouteContract } from '#api/contract.ts'
import { QueryClient, queryOptions } from '@tanstack/react-query'
import { prefix } from '../app/place.ts'
import { askForElevation } from './elevation-request.ts'

export const client = createClient({ baseUrl: `${location.origin}${prefix}` })

/** What is read stays fresh for a moment, so that going back and forth asks nothing anew. Refusals are not tried again: only what may pass is. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      retry: (count, error) => count < 2 && (!(error instanceof ApiProblem) || error.status >= 500),
      retryDelay: (count) => 400 * 2 ** count,
    },
  },
})

/** The key of all that was read from a route; with the input, of that alone. */
export function keyOf(route: RouteContract, input?: unknown): readonly unknown[] {
  return input === undefined ? [route.path] : [route.path, input]
}

/** Reads a route. */
// oxlint-disable-next-line typescript/explicit-module-boundary-types -- the library's own type says more than could be written here
export function query<Route extends RouteContract>(route: Route, ...input: CallArguments<Route>) {
  return queryOptions({
    queryKey: keyOf(route, input[0] ?? {}),
    queryFn: ({ signal }) => client.call(route, ...([{ ...input[0], signal }] as unknown as CallArguments<Route>)),
  })
}

/** A page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[]
  readonly next?: string | undefined
}

/** What an item of a list is. */
export type ItemOf<Route extends RouteContract> = ResponseOf<Route> extends { readonly items: readonly (infer Item)[] } ? Item : never

/** How a list is read, page by page. */
export interface ListOptions<Item> {
  readonly queryKey: readonly unknown[]
  readonly read: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Item>>
}

/** Reads a list, page by page as they are wanted. */
export function pages<Route extends RouteContract>(
  route: Route,
  input: { readonly params?: object; readonly query?: Partial<QueryOf<Route>> },
): ListOptions<ItemOf<Route>> {
  return {
    queryKey: [...keyOf(route, input), 'pages'],
    read: (cursor, signal) =>
      client.call(route, ...([{ ...input, query: { ...input.query, cursor }, signal }] as unknown as CallArguments<Route>)) as Promise<
        Page<ItemOf<Route>>
      >,
  }
}

/** Runs a change; where the server wants a fresh proof of who sits here, asks for it and tries once more. */
export async function withProof<Result>(change: () => Promise<Result>): Promise<Result> {
  try {
    return await change()
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.code !== 'ELEVATION_REQUIRED') throw error
    await askForElevation()
    return await change()
  }
}

/** Calls a route that changes something, and makes stale what was read from the routes of `touched`. */
export async function change<Route extends RouteContract>(
  route: Route,
  input: CallArguments<Route>[0],
  touched: readonly RouteContract[] = [],
): Promise<ResponseOf<Route>> {
  const answer = await withProof(() => client.call(route, ...([input] as unknown as CallArguments<Route>)))
  await Promise.all(touched.map((each) => queryClient.invalidateQueries({ queryKey: keyOf(each) })))
  return answer
}
