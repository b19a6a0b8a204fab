// The schema of what is done to events before they get their numbers, and of levels by type.
import { list, mappingFields, object, oneOf, text } from './schema-parts.ts';

export const transformsSchema = {
  ...list(
    object(
      'Done to events of these types: keep first, then drop, rename, set.',
      {
        match: text('type-pattern', 'Pattern of types.'),
        where: {
          type: 'object',
          description: 'Only events in which this value, or one of these, stands at this path.',
          propertyNames: { format: 'data-pointer' },
        },
        keep: {
          type: 'number',
          description: 'Share of them that is kept: 0 none, 0.1 one in ten.',
          minimum: 0,
          maximum: 1,
        },
        ...mappingFields,
      },
      { required: ['match'] },
    ),
    'Filters and changes before events get their numbers; all that match, in this order.',
  ),
  minItems: 0,
  default: [],
};

export const levelsSchema = {
  ...list(
    object(
      'The least level for events of these types, whatever input or request ask for.',
      {
        match: text('type-pattern', 'Pattern of types.'),
        level: oneOf('As for inputs.', ['memory', 'disk', 'site'], 'disk'),
      },
      { required: ['match'] },
    ),
    'Levels by type; the first match decides.',
  ),
  minItems: 0,
  default: [],
};
