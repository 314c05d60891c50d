"""What a store holds, shown: one page, figures, tables, and what they say."""
