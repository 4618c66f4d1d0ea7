/** What a delete by a former name answers. */
import type { HttpParts } from '#http/exchange.ts'
import type { RepositoryName } from '#oci/reference.ts'

/** Names what was really deleted, in Content-Location, where the repository was asked for by a former name; else nothing. `rest`: of the path, encoded. */
export function deletedPlace(
  { config }: Pick<HttpParts, 'config'>,
  { asked, repository, rest = '' }: { readonly asked: string; readonly repository: RepositoryName; readonly rest?: string },
): { readonly body: undefined; readonly headers: Readonly<Record<string, string>> } | undefined {
  if (asked === repository) return undefined
  const place = `${config.http.prefix}api/v1/repositories/${encodeURIComponent(repository)}${rest}`
  return { body: undefined, headers: { 'content-location': place } }
}
