/** Names of projects. */
import { parseRepositoryName } from '#oci/reference.ts'

/** Characters: what is left of 255 holds the names of the repositories below. */
export const projectNameMaxLength = 200

/** Undefined for what is no beginning of a repository's name: path components of its grammar between slashes. */
export function parseProjectName(text: string): string | undefined {
  return text.length <= projectNameMaxLength ? parseRepositoryName(text) : undefined
}
