/** From which addresses something may be used. The server refuses what would lock out who asks; it is asked again where they mean it. */
import { ApiProblem } from '#api/client.ts'
import { SimpleGrid, Switch, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { Form, linesOf, useDraft } from '../../parts/form.tsx'
import { tell } from '../../parts/problem.tsx'
import { useWords } from '../../parts/use-words.ts'

export interface Networks {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

interface FormProps {
  readonly networks: Networks
  readonly text: string
  readonly save: (networks: { allow: string[]; deny: string[] }, force: boolean) => Promise<unknown>
}

export function NetworkForm({ networks, text: said, save }: FormProps) {
  const { t } = useWords()
  const [isRefused, setRefused] = useState(false)
  const { draft, text, flag } = useDraft({ allow: networks.allow.join('\n'), deny: networks.deny.join('\n'), force: false })
  const isSame = draft.allow === networks.allow.join('\n') && draft.deny === networks.deny.join('\n')
  const submit = async () => {
    try {
      await save({ allow: linesOf(draft.allow), deny: linesOf(draft.deny) }, draft.force)
      tell(t('common.saved'))
    } catch (error) {
      if (error instanceof ApiProblem && error.code === 'CONFLICT') setRefused(true)
      throw error
    }
  }
  return (
    <Form save={submit} isDisabled={isSame}>
      <Text size="sm" c="dimmed">
        {said}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <Textarea
          label={t('manage:networks.allow')}
          description={t('manage:networks.allowHint')}
          placeholder={'10.0.0.0/8\n2001:db8::/32'}
          autosize
          minRows={3}
          maxRows={12}
          spellCheck={false}
          classNames={{ input: 'mono' }}
          {...text('allow')}
        />
        <Textarea
          label={t('manage:networks.deny')}
          description={t('manage:networks.denyHint')}
          placeholder="192.0.2.7"
          autosize
          minRows={3}
          maxRows={12}
          spellCheck={false}
          classNames={{ input: 'mono' }}
          {...text('deny')}
        />
      </SimpleGrid>
      {isRefused && <Switch label={t('manage:networks.force')} {...flag('force')} />}
    </Form>
  )
}
