import { useSearch } from '@tanstack/react-router'
import { RobotList } from '../robots/robot-list.tsx'
import type { ProjectPartProps } from './project-parts.ts'

/** Robot accounts of a project: for machines that push and pull. */
export function Robots({ project, rights }: ProjectPartProps) {
  const search = useSearch({ from: '/shell/projects/$' })
  return <RobotList project={project.name} may={(permission) => rights.has(permission)} search={search} />
}
