/** Which methods a path of the API takes, so that a wrong method is told from a wrong path. */
import type { RouteContract } from '#api/contract.ts'

/** Gives the methods of the routes that a path below the API's fits; none where there is no such path. */
export function methodsByPath(contracts: readonly Pick<RouteContract, 'method' | 'path'>[]): (path: string) => readonly string[] {
  const shapes = new Map<string, { readonly parts: readonly string[]; readonly methods: Set<string> }>()
  for (const { method, path } of contracts) {
    const shape = shapes.get(path) ?? { parts: path.split('/'), methods: new Set<string>() }
    shape.methods.add(method)
    if (method === 'GET') shape.methods.add('HEAD')
    shapes.set(path, shape)
  }
  return (path) => {
    const parts = path.split('/')
    const fitting = [...shapes.values()].filter((shape) => fits(shape.parts, parts))
    return [...new Set(fitting.flatMap(({ methods }) => [...methods]))].toSorted()
  }
}

/** A parameter is any part but an empty one. */
function fits(shape: readonly string[], parts: readonly string[]): boolean {
  return shape.length === parts.length && shape.every((part, index) => (part.startsWith('{') ? parts[index] !== '' : part === parts[index]))
}
