/** Where a role or a permission holds, for people: the project and the glob both, where both are said. */
export function placeText({ project, repositories }: { readonly project: string | null; readonly repositories: string | null }): string {
  if (project === null) return repositories === null ? 'everything' : `repositories ${repositories}`
  const within = project === '' ? 'a project that is gone' : `project ${project}`
  return repositories === null ? within : `${within}, repositories ${repositories}`
}
