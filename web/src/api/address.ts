/** Addresses of the API that the browser follows by itself: what it saves as a file. */
import type { ParamsOf, QueryOf, RouteContract } from '#api/contract.ts'
import { prefix } from '../app/place.ts'

/** The path of a call, with the prefix. Members that are undefined are left out. */
export function addressOf<Route extends RouteContract>(
  route: Route,
  params: ParamsOf<Route>,
  query: { readonly [Name in keyof QueryOf<Route>]?: QueryOf<Route>[Name] | undefined } = {},
): string {
  const values = params as Readonly<Record<string, unknown>>
  const path = route.path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => encodeURIComponent(String(values[name])))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) search.append(name, String(value as string | number | boolean))
  const text = search.toString()
  return `${prefix}api/v1${path}${text === '' ? '' : `?${text}`}`
}
