/** What a project decides about its tags and manifests: which are kept, which may not be moved, what becomes of those without a tag. */
import { Stack } from '@mantine/core'
import type { ProjectPartProps } from '../projects/project-parts.ts'
import { ImmutableRules } from './immutable-rules.tsx'
import { RetentionPolicies } from './retention-policies.tsx'
import { Untagged } from './untagged.tsx'

export function ProjectRules({ project, rights }: ProjectPartProps) {
  return (
    <Stack gap="lg">
      {rights.has('retention:list') && <RetentionPolicies project={project.name} rights={rights} />}
      {rights.has('immutability:list') && <ImmutableRules project={project.name} rights={rights} />}
      <Untagged key={project.version} project={project} mayChange={rights.has('project:update')} />
    </Stack>
  )
}
