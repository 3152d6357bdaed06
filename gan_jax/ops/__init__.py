"""Operations with the same results everywhere, lowered well on each platform."""
