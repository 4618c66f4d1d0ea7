import type { ProjectPartProps } from '../projects/project-parts.ts'
import { LabelList } from './label-list.tsx'

export function ProjectLabels({ project, rights }: ProjectPartProps) {
  return <LabelList project={project.name} rights={rights} />
}
